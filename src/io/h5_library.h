/* libhdf5 on our terms.  This process uses it to write (h5_image.c), a helper to read (h5_helper.c). */
#ifndef KL_IO_H5_LIBRARY_H
#define KL_IO_H5_LIBRARY_H

#define H5_USE_110_API /* the oldest that has what is needed */
#include <hdf5.h>
#include <stdbool.h>

#include "base/status.h"
#include "io/elements.h"

/* Before the first HDF5 call of each function of h5.h: starts the library on our terms; HDF5 prints nothing. */
kl_status kl_h5_enter(void);

/* The innermost words of HDF5's error stack, which is cleared. */
#define KL_H5_WORDS 256
const char *kl_h5_words(char text[KL_H5_WORDS]);

/* KL_EIO: "<file>: <what>: HDF5: <the innermost words>". */
kl_status kl_h5_fail(const char *file, const char *what);

/* A name for a file that is only in memory: unique, because HDF5 takes two images of one name for one file, and below
 * a device, so that no file can have it. */
#define KL_H5_IMAGE_NAME 48
void kl_h5_image_name(char name[KL_H5_IMAGE_NAME]);

/* The type as HDF5's own: *out is to be closed.  Negative on failure. */
hid_t kl_h5_type_of(kl_element e);

/* The element of a type, if it is exactly one of those that kl reads. */
bool kl_h5_element_of(hid_t type, kl_element *out);

#endif
