/* Rows of an array that stays in its file, for data larger than memory: `.npy`, plain IDX, HDF5 datasets.
 *
 * The file is opened once and read with pread(), never mapped: what shrinks or changes under the reader is an error and
 * not a signal (reliability.md F10).  After kl_row_file_open everything here may be called from any thread, from
 * several at a time; nothing knows Lua or makes tensors. */
#ifndef KL_IO_ROWS_H
#define KL_IO_ROWS_H

#include "base/dtype.h"
#include "base/shape.h"
#include "base/status.h"

typedef struct kl_row_file kl_row_file;

/* Opens the array in a file, whose format is known by its first bytes.  `dataset` is the path of a dataset in an HDF5
 * file; NULL takes the only one.  The array has one axis at least; its rows run along the first.
 * Errors: KL_EIO for what cannot be read row by row, saying what to do: Fortran's order, gzipped IDX; for damaged
 * files, as the readers of the whole formats; KL_EVALUE for a dataset of a file that has none; KL_ENOMEM. */
kl_status kl_row_file_open(const char *path, const char *dataset, kl_row_file **out);

/* References are counted, atomically: a thread that reads holds one of its own. */
kl_row_file *kl_row_file_retain(kl_row_file *f);
void kl_row_file_release(kl_row_file *f); /* NULL is allowed */

const char *kl_row_file_name(const kl_row_file *f);      /* for messages */
const kl_shape *kl_row_file_shape(const kl_row_file *f); /* of the whole array */
kl_dtype kl_row_file_dtype(const kl_row_file *f);        /* of what is read (io/elements.h) */
size_t kl_row_file_row_bytes(const kl_row_file *f);      /* of what is read, per row */

/* Reads rows[0..count) (from 0, in any order, also several times) one behind the other to `out`, which has room for
 * count * row_bytes.  Rows that follow each other are read in one piece.
 * Errors: KL_EVALUE for a row that is not there, before anything is read; KL_EIO if the file was changed or cut since
 * it was opened, or cannot be read; KL_EVALUE for a uint64 that int64 does not hold; KL_ENOMEM. */
kl_status kl_row_file_read(kl_row_file *f, const int64_t *rows, int64_t count, void *out);

/* The same for `count` rows from `first` on. */
kl_status kl_row_file_read_range(kl_row_file *f, int64_t first, int64_t count, void *out);

#endif
