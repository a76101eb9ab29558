/* Tables of text, CSV as RFC 4180 has it (formats.md 10): cut into fields, which are read as numbers when asked for.
 *
 * Lines end with LF, CRLF or CR; a line without a byte is skipped, a byte order mark too.  A field in double quotes may
 * hold the separator, line ends and, doubled, quotes.  Every line has as many fields as the first. */
#ifndef KL_IO_CSV_H
#define KL_IO_CSV_H

#include <stdbool.h>
#include <stdint.h>

#include "io/buffer.h"
#include "tensor/tensor.h"

typedef struct kl_csv_field {
  size_t at; /* in the text, which is changed: quotes are taken off */
  size_t size;
  int64_t line;
} kl_csv_field;

typedef struct kl_csv {
  kl_buffer text;
  kl_buffer fields; /* kl_csv_field, rows * columns */
  int64_t rows, columns;
} kl_csv;

/* Takes over the bytes in *text, also on failure.  Errors: KL_EIO naming the line: a quote that is not closed, bytes
 * behind a closed one, another number of fields, the byte 0; KL_ENOMEM. */
kl_status kl_csv_parse(const char *name, kl_buffer *text, char separator, kl_csv *out);
void kl_csv_release(kl_csv *csv); /* {0} is allowed */

static inline const kl_csv_field *kl_csv_at(const kl_csv *csv, int64_t row, int64_t column) {
  return (const kl_csv_field *)(const void *)csv->fields.data + row * csv->columns + column;
}

/* What all fields of a column from row `first` on are; empty ones count as numbers, but not as integers. */
typedef enum kl_csv_kind { KL_CSV_INTEGERS, KL_CSV_NUMBERS, KL_CSV_TEXT } kl_csv_kind;
kl_csv_kind kl_csv_column_kind(const kl_csv *csv, int64_t column, int64_t first);

/* Writes the fields of a column from row `first` on to out[0], out[stride], ..., elements of `dtype`.  An empty field
 * is NaN if `empty_is_nan`. Errors: KL_EVALUE naming line, column and text for a field that is no number or does not
 * fit, or is empty otherwise. */
kl_status kl_csv_read_column(const char *name, const kl_csv *csv, int64_t column, int64_t first, kl_dtype dtype,
                             bool empty_is_nan, void *out, int64_t stride);

#endif
