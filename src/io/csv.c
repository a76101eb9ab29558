/* One pass cuts the text into fields; numbers are read by strtod in the C locale, whatever the process has set. */
#include "io/csv.h"

#include <errno.h>
#include <locale.h>
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define MOST_EXACT 9007199254740992.0 /* 2^53: every integer up to it is a double */

typedef struct cutter {
  const char *name;
  kl_csv *csv;
  char *data;
  size_t at, size;
  int64_t line;
  char separator;
} cutter;

/* A field in quotes: the text is moved over the quotes that are taken off. */
static kl_status cut_quoted(cutter *c, kl_csv_field *f) {
  size_t to = ++c->at;
  int64_t begin = c->line;
  f->at = to;
  for (;;) {
    if (c->at == c->size) {
      return kl_fail(KL_EIO, "%s: line %lld: a quote is opened and not closed", c->name, (long long)begin);
    }
    char b = c->data[c->at++];
    if (b == '"') {
      if (c->at == c->size || c->data[c->at] != '"') {
        break;
      }
      c->at++;
    }
    c->line += b == '\n';
    c->data[to++] = b;
  }
  f->size = to - f->at;
  if (c->at < c->size && c->data[c->at] != c->separator && c->data[c->at] != '\n' && c->data[c->at] != '\r') {
    return kl_fail(KL_EIO, "%s: line %lld: a separator or the end of the line expected behind a closed quote", c->name,
                   (long long)c->line);
  }
  return KL_OK;
}

static void cut_plain(cutter *c, kl_csv_field *f) {
  f->at = c->at;
  while (c->at < c->size && c->data[c->at] != c->separator && c->data[c->at] != '\n' && c->data[c->at] != '\r') {
    c->at++;
  }
  f->size = c->at - f->at;
}

static bool take_line_end(cutter *c) {
  if (c->at < c->size && c->data[c->at] == '\r') {
    c->at += c->at + 1 < c->size && c->data[c->at + 1] == '\n' ? 2 : 1;
  } else if (c->at < c->size && c->data[c->at] == '\n') {
    c->at++;
  } else {
    return c->at == c->size;
  }
  c->line++;
  return true;
}

static kl_status append(kl_buffer *fields, const kl_csv_field *f) {
  if (fields->capacity - fields->size < sizeof *f) {
    KL_TRY(kl_buffer_reserve(fields, fields->size + 1024 * sizeof *f));
  }
  return kl_buffer_append(fields, f, sizeof *f);
}

static kl_status cut_line(cutter *c) {
  int64_t count = 0, line = c->line;
  do {
    kl_csv_field f = {.line = c->line};
    if (c->at < c->size && c->data[c->at] == '"') {
      KL_TRY(cut_quoted(c, &f));
    } else {
      cut_plain(c, &f);
    }
    KL_TRY(append(&c->csv->fields, &f));
    count++;
  } while (c->at < c->size && c->data[c->at] == c->separator && ++c->at <= c->size);
  take_line_end(c);
  if (c->csv->rows == 0) {
    c->csv->columns = count;
  } else if (count != c->csv->columns) {
    return kl_fail(KL_EIO, "%s: line %lld: %lld fields expected, as in the first line, found %lld", c->name,
                   (long long)line, (long long)c->csv->columns, (long long)count);
  }
  c->csv->rows++;
  return KL_OK;
}

static kl_status cut_all(cutter *c) {
  const char *zero = c->size == 0 ? NULL : memchr(c->data, '\0', c->size);
  if (zero != NULL) {
    return kl_fail(KL_EIO, "%s: text expected, found the byte 0 at offset %zu", c->name, (size_t)(zero - c->data));
  }
  if (c->size >= 3 && memcmp(c->data, "\xef\xbb\xbf", 3) == 0) {
    c->at = 3;
  }
  while (c->at < c->size) {
    if (!take_line_end(c)) {
      KL_TRY(cut_line(c));
    }
  }
  return KL_OK;
}

kl_status kl_csv_parse(const char *name, kl_buffer *text, char separator, kl_csv *out) {
  *out = (kl_csv){.text = *text};
  size_t size = text->size;
  *text = (kl_buffer){0};
  kl_status status = kl_buffer_append(&out->text, "", 1); /* an end for strtod */
  if (status == KL_OK) {
    cutter c = {.name = name, .csv = out, .data = out->text.data, .size = size, .line = 1, .separator = separator};
    status = cut_all(&c);
  }
  if (status != KL_OK) {
    kl_csv_release(out);
  }
  return status;
}

void kl_csv_release(kl_csv *csv) {
  kl_buffer_release(&csv->text);
  kl_buffer_release(&csv->fields);
  *csv = (kl_csv){0};
}

static pthread_once_t locale_once = PTHREAD_ONCE_INIT;
static locale_t c_locale;

static void make_locale(void) { c_locale = newlocale(LC_ALL_MASK, "C", (locale_t)0); }

typedef struct number {
  bool is_integer, is_empty;
  int64_t integer;
  double value;
} number;

/* False for what is no number.  Spaces around it are skipped; hexadecimal digits are text. */
static bool read_number(const kl_csv *csv, const kl_csv_field *f, number *out) {
  const char *p = csv->text.data + f->at, *end = p + f->size;
  *out = (number){0};
  while (p < end && (*p == ' ' || *p == '\t')) {
    p++;
  }
  while (end > p && (end[-1] == ' ' || end[-1] == '\t')) {
    end--;
  }
  if (p == end) {
    out->is_empty = true;
    return true;
  }
  const char *digits = p + (*p == '-' || *p == '+');
  bool all_digits = digits < end;
  for (const char *q = digits; q < end; q++) {
    all_digits = all_digits && *q >= '0' && *q <= '9';
    if (*q == 'x' || *q == 'X' || *q == '(' || *q == ' ' || *q == '\n' || *q == '\r' || *q == '\t') {
      return false;
    }
  }
  char *stop;
  if (all_digits) {
    errno = 0;
    out->integer = strtoll(p, &stop, 10);
    out->is_integer = errno == 0;
  }
  pthread_once(&locale_once, make_locale);
  out->value = c_locale != (locale_t)0 ? strtod_l(p, &stop, c_locale) : strtod(p, &stop);
  return stop == end;
}

kl_csv_kind kl_csv_column_kind(const kl_csv *csv, int64_t column, int64_t first) {
  kl_csv_kind kind = KL_CSV_INTEGERS;
  for (int64_t i = first; i < csv->rows; i++) {
    number n;
    if (!read_number(csv, kl_csv_at(csv, i, column), &n)) {
      return KL_CSV_TEXT;
    }
    kind = n.is_integer ? kind : KL_CSV_NUMBERS;
  }
  return kind;
}

static kl_status fail_field(const char *name, const kl_csv *csv, const kl_csv_field *f, int64_t column,
                            const char *expected) {
  int shown = f->size < 40 ? (int)f->size : 40;
  return kl_fail(KL_EVALUE, "%s: line %lld, column %lld: %s expected, found '%.*s'", name, (long long)f->line,
                 (long long)column + 1, expected, shown, csv->text.data + f->at);
}

kl_status kl_csv_read_column(const char *name, const kl_csv *csv, int64_t column, int64_t first, kl_dtype dtype,
                             bool empty_is_nan, void *out, int64_t stride) {
  char *to = out;
  bool is_float = kl_dtype_is_float(dtype);
  for (int64_t i = first; i < csv->rows; i++, to += stride * (int64_t)kl_dtype_size(dtype)) {
    const kl_csv_field *f = kl_csv_at(csv, i, column);
    number n;
    if (!read_number(csv, f, &n)) {
      return fail_field(name, csv, f, column, "a number");
    }
    if (n.is_empty && !(is_float && empty_is_nan)) {
      return fail_field(name, csv, f, column, is_float ? "a number" : "an integer");
    }
    double value = n.is_empty ? (double)__builtin_nan("") : n.value;
    bool whole = n.is_integer;
    if (!is_float && !whole && fabs(value) <= MOST_EXACT && (double)(int64_t)value == value) {
      n.integer = (int64_t)value; /* 3.0 is one, too */
      whole = true;
    }
    if (!is_float && (!whole || (dtype == KL_BOOL && (n.integer < 0 || n.integer > 1)))) {
      return fail_field(name, csv, f, column, dtype == KL_BOOL ? "0 or 1" : "an integer");
    }
    if (!kl_dtype_store(dtype, is_float, n.integer, value, to)) {
      return fail_field(name, csv, f, column, kl_dtype_name(dtype));
    }
  }
  return KL_OK;
}
