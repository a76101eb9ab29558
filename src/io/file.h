/* Whole files: the one function that writes every file of kl, and the one that reads them.
 *
 * A write is all or nothing (reliability.md S1-S3): the bytes go to `.<name>.<pid>.tmp` in the same directory, are
 * flushed to the disk, and the name is then given to them by rename, which the directory is flushed for too.  Whatever
 * fails, the file that was there before keeps its content and the temporary one is removed.  Files are read with read()
 * and not mapped: a file that shrinks under a mapping kills the process (F10). */
#ifndef KL_IO_FILE_H
#define KL_IO_FILE_H

#include <stdint.h>

#include "io/buffer.h"

/* Replaces or makes the file at `path`.  A symbolic link is followed: the file it leads to is replaced, the link stays.
 * An existing file keeps its permissions.
 * Errors: KL_EIO naming path, step, the system's words, bytes needed and bytes free. */
kl_status kl_file_write(const char *path, const void *data, size_t size);

/* The same for what is written piece by piece, because it is larger than memory. */
typedef struct kl_file_writer kl_file_writer;

kl_status kl_file_writer_new(const char *path, kl_file_writer **out); /* KL_ENOMEM, too */
kl_status kl_file_writer_append(kl_file_writer *w, const void *data, size_t size);

/* Puts `head` over the first bytes, and gives what was written its name. */
kl_status kl_file_writer_finish(kl_file_writer *w, const void *head, size_t size);

/* Removes what was not finished.  NULL is allowed. */
void kl_file_writer_release(kl_file_writer *w);

/* The whole file in *out (empty before).  Errors: KL_EIO for a missing file, a directory, anything that is not a
 * regular file, or one of more than `limit` bytes; KL_ENOMEM. */
kl_status kl_file_read(const char *path, size_t limit, kl_buffer *out);

/* A path for messages: its end if it is long. */
#define KL_PATH_TEXT 400
const char *kl_path_text(const char *path, char text[KL_PATH_TEXT]);

/* The time that files carry, in seconds since 1970: SOURCE_DATE_EPOCH where that is set, else `otherwise`.
 * Errors: KL_EVALUE if the variable is not a number. */
kl_status kl_source_date(int64_t otherwise, int64_t *out);

#endif
