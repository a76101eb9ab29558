/* Zip archives in memory: `.keras` and `.npz` (formats.md 3.5 and 6), through libzip.
 *
 * Reading follows reliability.md F6: every local header must agree with the central directory, no name may occur twice,
 * be absolute, hold "..", a backslash or a NUL; only stored and deflated entries without encryption; nothing is ever
 * unpacked to the disk.  Writing stores the entries in the given order with a fixed time, so the same content gives the
 * same bytes. */
#ifndef KL_IO_ZIP_H
#define KL_IO_ZIP_H

#include <stdbool.h>
#include <stdint.h>

#include "io/buffer.h"

typedef struct kl_zip kl_zip;

/* Opens the archive whose bytes are in *image; `name` (copied) begins every message.  On success the bytes belong to
 * the archive and *image is empty.  The archive and any one entry together may take `limit` bytes; 0 means 64 MiB + 4 x
 * the archive's size.  Errors: KL_EIO for what is no whole zip archive or breaks a rule above; KL_ENOMEM. */
kl_status kl_zip_open(const char *name, kl_buffer *image, size_t limit, kl_zip **out);
void kl_zip_release(kl_zip *z); /* NULL is allowed */

/* Entries, in the order of the central directory. */
size_t kl_zip_count(const kl_zip *z);
const char *kl_zip_name(const kl_zip *z, size_t i);
uint64_t kl_zip_size(const kl_zip *z, size_t i); /* bytes when unpacked, as declared */

/* The entry of that name: false if there is none. */
bool kl_zip_find(const kl_zip *z, const char *name, size_t *i);

/* An entry's content in *out (empty before).
 * Errors: KL_EIO for one over the limit, or whose length or CRC is not the declared one; KL_ENOMEM. */
kl_status kl_zip_read(kl_zip *z, size_t i, kl_buffer *out);

typedef struct kl_zip_entry {
  const char *name; /* valid UTF-8, by the rules above */
  const void *data;
  size_t size; /* bytes */
} kl_zip_entry;

/* An archive of these entries, stored, in this order, dated SOURCE_DATE_EPOCH or 1980-01-01, in *out (empty before).
 * Errors: KL_EVALUE for a name that is not allowed or occurs twice; KL_ENOMEM. */
kl_status kl_zip_write(const kl_zip_entry *entries, size_t count, kl_buffer *out);

#endif
