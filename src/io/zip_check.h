/* The structure of a zip archive, checked without libzip, which is lenient where kl is not.  For zip.c only. */
#ifndef KL_IO_ZIP_CHECK_H
#define KL_IO_ZIP_CHECK_H

#include <stddef.h>

#include "base/status.h"

#define KL_ZIP_MAX_ENTRIES 100000

/* NULL if an entry may have this name, else what is wrong with it. */
const char *kl_zip_name_problem(const char *name, size_t size);

/* The archive ends with the end-of-directory record and begins at its first byte; every entry of the directory has an
 * allowed name, no other's, and a local header with the same name, method and place inside the archive.
 * *count: entries. */
kl_status kl_zip_check(const char *file, const char *image, size_t size, size_t *count);

#endif
