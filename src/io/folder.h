/* Folders. */
#ifndef KL_IO_FOLDER_H
#define KL_IO_FOLDER_H

#include "base/status.h"

/* Makes the folder and those it lies in, where they are missing; what is there already is left as it is.
 * Errors: KL_EIO naming the path, the folder above it that could not be made if it was one, and the system's words. */
kl_status kl_folder_make(const char *path);

#endif
