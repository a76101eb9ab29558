/* How libhdf5 gets at a file's bytes in a helper process: a driver that reads from memory or from a descriptor, writes
 * nowhere, and can be asked which bytes of data libhdf5 wanted last. */
#ifndef KL_IO_H5_DRIVER_H
#define KL_IO_H5_DRIVER_H

#include "io/h5_library.h"
#include "io/h5_toc.h"

/* Opens the file.  Once in a process.  *end: how long its superblock says that it is.  Negative on failure. */
hid_t kl_h5_driver_open(const kl_h5_source *s, uint64_t *end);

/* From now on data (not what describes it) is not read: reading it succeeds, and changes nothing but *offset and
 * *size. NULL ends that. */
void kl_h5_driver_watch(uint64_t *offset, uint64_t *size);

#endif
