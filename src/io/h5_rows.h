/* One dataset of an HDF5 file that stays on the disk, for rows.c. */
#ifndef KL_IO_H5_ROWS_H
#define KL_IO_H5_ROWS_H

#include <stdbool.h>

#include "io/elements.h"

typedef struct kl_h5_rows kl_h5_rows;

/* Opens a dataset (NULL: the only one) of the file of `size` bytes behind the descriptor `file`, which stays the
 * caller's and open; checked as in h5.h; deflate and shuffle are taken.  `name` (copied) begins the messages.
 * Errors: as in h5.h; KL_EVALUE naming the datasets of a file that has several. */
kl_status kl_h5_rows_open(const char *name, int file, size_t size, const char *dataset, kl_h5_rows **out);
void kl_h5_rows_release(kl_h5_rows *r); /* NULL is allowed */

kl_element kl_h5_rows_element(const kl_h5_rows *r);
const kl_shape *kl_h5_rows_shape(const kl_h5_rows *r);

/* Whether the elements lie together in the file, and from where on. */
bool kl_h5_rows_offset(const kl_h5_rows *r, uint64_t *out);

/* Raw elements of `count` rows from `first` on, which are there.  From one thread at a time. */
kl_status kl_h5_rows_read(kl_h5_rows *r, int64_t first, int64_t count, void *to);

#endif
