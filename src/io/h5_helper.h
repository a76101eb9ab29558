/* What the h5_helper*.c files share: the state of a helper process, and how it says things (h5_toc.h). */
#ifndef KL_IO_H5_HELPER_H
#define KL_IO_H5_HELPER_H

#include "io/apart.h"
#include "io/h5_driver.h"
#include "io/h5_internal.h"

#define KL_H5_OBJECTS (KL_H5_MAX_OBJECTS + 1) /* with the root */

typedef struct kl_h5_helper {
  kl_apart *process;
  const kl_h5_source *source;
  hid_t file;
  haddr_t *addresses; /* of the objects by number; those before `told` have been told */
  size_t count, told;
  uint32_t *numbers;             /* hash table of the numbers plus 1 */
  char part[KL_H5_MAX_NAME + 1]; /* source->only: the name to look for in the object that is told */
} kl_h5_helper;

/* h5_helper.c */
void kl_h5_say_number(kl_h5_helper *h, uint32_t n);
void kl_h5_say_length(kl_h5_helper *h, uint64_t n);
void kl_h5_say_bytes(kl_h5_helper *h, const void *bytes, size_t size);
void kl_h5_say_text(kl_h5_helper *h, const char *text, size_t size);

/* The tag, and HDF5's words for what has just failed. */
void kl_h5_say_words(kl_h5_helper *h, uint32_t tag);

/* h5_helper_dataset.c */
void kl_h5_tell_dataset(kl_h5_helper *h, hid_t set);

/* h5_helper_attribute.c: all of an object. */
void kl_h5_tell_attributes(kl_h5_helper *h, hid_t object);

#endif
