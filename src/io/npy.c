/* The header is the text of a Python dictionary: it is read by a grammar of its three keys and never evaluated. */
#include "io/npy.h"

#include <stdio.h>
#include <string.h>

#include "base/size.h"

static const char magic[6] = "\x93NUMPY";

/* The text, and where reading it has come to. */
typedef struct scanner {
  const char *name;
  const char *at, *end;
  size_t offset; /* of the text in the file */
  const char *begin;
} scanner;

static kl_status fail_at(const scanner *s, const char *expected) {
  return kl_fail(KL_EIO, "%s: damaged .npy header: %s expected at offset %zu", s->name, expected,
                 s->offset + (size_t)(s->at - s->begin));
}

static void skip_spaces(scanner *s) {
  while (s->at < s->end && (*s->at == ' ' || *s->at == '\t' || *s->at == '\n' || *s->at == '\r')) {
    s->at++;
  }
}

static bool take(scanner *s, char c) {
  skip_spaces(s);
  if (s->at < s->end && *s->at == c) {
    s->at++;
    return true;
  }
  return false;
}

static bool take_word(scanner *s, const char *word) {
  size_t n = strlen(word);
  skip_spaces(s);
  if ((size_t)(s->end - s->at) >= n && memcmp(s->at, word, n) == 0) {
    s->at += n;
    return true;
  }
  return false;
}

/* A string of printable ASCII without escapes, in either quote. */
#define STRING_ROOM 24
static bool take_string(scanner *s, char text[STRING_ROOM]) {
  size_t n = 0;
  skip_spaces(s);
  if (s->at == s->end || (*s->at != '\'' && *s->at != '"')) {
    return false;
  }
  char quote = *s->at;
  const char *p = s->at + 1;
  while (p < s->end && *p != quote && *p >= ' ' && *p <= '~' && *p != '\\' && n < STRING_ROOM - 1) {
    text[n++] = *p++;
  }
  text[n] = '\0';
  if (p == s->end || *p != quote) {
    return false;
  }
  s->at = p + 1;
  return true;
}

/* "<f4" and the like. */
static bool parse_type(const char *text, kl_element *e) {
  static const struct {
    char code;
    kl_element_kind kind;
    const char *sizes;
  } types[] = {
      {'f', KL_ELEMENT_FLOAT, "248"},
      {'i', KL_ELEMENT_SIGNED, "1248"},
      {'u', KL_ELEMENT_UNSIGNED, "1248"},
      {'b', KL_ELEMENT_BOOL, "1"},
  };
  if (strlen(text) != 3 || strchr("<>|=", text[0]) == NULL) {
    return false;
  }
  for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
    if (types[i].code == text[1] && strchr(types[i].sizes, text[2]) != NULL) {
      *e = (kl_element){types[i].kind, text[2] - '0', text[0] == '>'};
      return e->size == 1 || text[0] != '|';
    }
  }
  return false;
}

static kl_status fail_type(const scanner *s, const char *text) {
  const char *p = text + (strchr("<>|=", text[0]) != NULL && text[0] != '\0');
  const char *what = *p == 'O'                ? ", Python objects: kl never unpickles"
                     : *p == 'c'              ? ", complex numbers: save the real and the imaginary part"
                     : *p == 'U' || *p == 'S' ? ", text"
                     : *p == 'M' || *p == 'm' ? ", times: save them as numbers"
                     : *p == 'V'              ? ", records: save each field"
                     : *p == 'f'              ? ": save it as float64"
                                              : "";
  return kl_fail(KL_EIO,
                 "%s: an array of bool, int8 to int64, uint8 to uint64 or float16 to float64 expected, found "
                 "dtype '%s'%s",
                 s->name, text, what);
}

static kl_status read_descr(scanner *s, kl_element *e) {
  char text[STRING_ROOM];
  skip_spaces(s);
  if (s->at < s->end && *s->at == '[') {
    return kl_fail(KL_EIO, "%s: an array of numbers expected, found one of records (a structured dtype)", s->name);
  }
  if (!take_string(s, text)) {
    return fail_at(s, "a dtype");
  }
  return parse_type(text, e) ? KL_OK : fail_type(s, text);
}

static kl_status read_shape(scanner *s, kl_shape *shape) {
  bool comma = true;
  shape->ndim = 0;
  if (!take(s, '(')) {
    return fail_at(s, "a shape");
  }
  while (!take(s, ')')) {
    int64_t n = 0;
    int digits = 0;
    skip_spaces(s);
    for (; s->at < s->end && *s->at >= '0' && *s->at <= '9' && digits < 18; s->at++, digits++) {
      n = 10 * n + (*s->at - '0');
    }
    if (digits == 0 || !comma || (s->at < s->end && *s->at >= '0' && *s->at <= '9')) {
      return fail_at(s, "a length of the shape");
    }
    if (s->at < s->end && *s->at == 'L') { /* Python 2's long */
      s->at++;
    }
    if (shape->ndim == KL_MAX_NDIM) {
      return kl_fail(KL_EIO, "%s: at most %d axes expected, found more", s->name, KL_MAX_NDIM);
    }
    shape->dim[shape->ndim++] = n;
    comma = take(s, ',');
  }
  return shape->ndim == 1 && !comma ? fail_at(s, "a shape, not a number in parentheses,") : KL_OK;
}

static kl_status read_dictionary(scanner *s, kl_npy_header *h) {
  static const char *const keys[] = {"descr", "fortran_order", "shape"};
  bool seen[3] = {false, false, false}, comma = true;
  if (!take(s, '{')) {
    return fail_at(s, "a dictionary");
  }
  while (!take(s, '}')) {
    char text[STRING_ROOM];
    const scanner before = *s;
    int k = 0;
    if (!comma || !take_string(s, text)) {
      return fail_at(s, "a key");
    }
    while (k < 3 && strcmp(text, keys[k]) != 0) {
      k++;
    }
    if (k == 3 || seen[k]) {
      return fail_at(&before, "one each of 'descr', 'fortran_order' and 'shape'");
    }
    seen[k] = true;
    if (!take(s, ':')) {
      return fail_at(s, "':'");
    }
    if (k == 0) {
      KL_TRY(read_descr(s, &h->element));
    } else if (k == 2) {
      KL_TRY(read_shape(s, &h->shape));
    } else {
      h->fortran = take_word(s, "True");
      if (!h->fortran && !take_word(s, "False")) {
        return fail_at(s, "True or False");
      }
    }
    comma = take(s, ',');
  }
  if (!seen[0] || !seen[1] || !seen[2]) {
    return fail_at(s, "'descr', 'fortran_order' and 'shape' before the end");
  }
  skip_spaces(s);
  return s->at == s->end ? KL_OK : fail_at(s, "the end of the header");
}

static kl_status check_size(const char *name, kl_npy_header *h) {
  bool empty = false, fits = true;
  h->bytes = (size_t)h->element.size;
  for (int i = 0; i < h->shape.ndim; i++) {
    empty = empty || h->shape.dim[i] == 0;
    fits = fits && (h->shape.dim[i] == 0 || kl_mul_size(h->bytes, (size_t)h->shape.dim[i], &h->bytes));
  }
  if (!fits || h->bytes > INT64_MAX / 8) {
    char text[KL_SHAPE_TEXT];
    return kl_fail(KL_EIO, "%s: the declared shape %s does not fit in memory", name, kl_shape_text(&h->shape, text));
  }
  h->bytes = empty ? 0 : h->bytes;
  return KL_OK;
}

kl_status kl_npy_read_header(const char *name, const void *data, size_t size, kl_npy_header *out) {
  const unsigned char *p = data;
  *out = (kl_npy_header){0};
  if (size < sizeof magic || memcmp(p, magic, sizeof magic) != 0) {
    return kl_fail(KL_EIO, "%s: not a .npy file: the bytes 93 4E 55 4D 50 59 expected at offset 0", name);
  }
  if (size < KL_NPY_PREFIX) {
    return kl_fail(KL_EIO, "%s: the .npy file is cut off after %zu bytes, in its header", name, size);
  }
  if (p[6] < 1 || p[6] > 3 || p[7] != 0) {
    return kl_fail(KL_EIO, "%s: a .npy file of version 1.0, 2.0 or 3.0 expected, found %d.%d", name, p[6], p[7]);
  }
  size_t begin = p[6] == 1 ? 10 : 12;
  size_t length = p[8] | (size_t)p[9] << 8;
  if (p[6] > 1) {
    length |= (size_t)p[10] << 16 | (size_t)p[11] << 24;
  }
  if (length > KL_NPY_MAX_HEADER) {
    return kl_fail(KL_EIO, "%s: a .npy header of at most %d bytes expected, found %zu", name, KL_NPY_MAX_HEADER,
                   length);
  }
  if (size - begin < length) {
    return kl_fail(KL_EIO, "%s: the .npy file is cut off after %zu bytes, in its header", name, size);
  }
  const char *text = (const char *)data + begin;
  scanner s = {.name = name, .at = text, .end = text + length, .offset = begin, .begin = text};
  KL_TRY(read_dictionary(&s, out));
  out->data = begin + length;
  return check_size(name, out);
}

/* The same elements with the axes the other way round. */
static kl_status reverse_axes(kl_tensor **t) {
  kl_tensor *whole = *t;
  kl_shape shape = whole->shape;
  int64_t strides[KL_MAX_NDIM];
  for (int i = 0; i < shape.ndim; i++) {
    shape.dim[i] = whole->shape.dim[shape.ndim - 1 - i];
    strides[i] = whole->strides[shape.ndim - 1 - i];
  }
  kl_status status = kl_tensor_new_view(whole, &shape, strides, 0, t);
  kl_tensor_release(whole);
  return status;
}

kl_status kl_npy_decode(const char *name, const void *data, size_t size, kl_tensor **out) {
  kl_npy_header h;
  *out = NULL;
  KL_TRY(kl_npy_read_header(name, data, size, &h));
  if (size - h.data != h.bytes) {
    char text[KL_SHAPE_TEXT];
    return kl_fail(KL_EIO, "%s: shape %s needs %zu bytes of elements from offset %zu on, the file has %zu there", name,
                   kl_shape_text(&h.shape, text), h.bytes, h.data, size - h.data);
  }
  kl_shape shape = h.shape;
  bool reverse = h.fortran && shape.ndim > 1;
  for (int i = 0; i < shape.ndim; i++) {
    shape.dim[i] = h.shape.dim[reverse ? shape.ndim - 1 - i : i];
  }
  KL_TRY(kl_tensor_new(kl_element_dtype(h.element), &shape, out));
  kl_status status = kl_elements_convert_block(name, h.element, (const char *)data + h.data, kl_tensor_numel(*out),
                                               kl_tensor_data(*out));
  if (status == KL_OK) {
    return reverse ? reverse_axes(out) : KL_OK;
  }
  kl_tensor_release(*out);
  *out = NULL;
  return status;
}

kl_status kl_npy_encode_header(kl_dtype dtype, const kl_shape *shape, size_t least, kl_buffer *out) {
  static const char *const types[KL_DTYPE_COUNT] = {"|b1", "|u1", "<i4", "<i8", "<f4", "<f8"};
  char text[320], spaces[64];
  int n = snprintf(text, sizeof text, "{'descr': '%s', 'fortran_order': False, 'shape': (", types[dtype]);
  for (int i = 0; i < shape->ndim; i++) {
    bool comma = shape->ndim == 1 || i + 1 < shape->ndim;
    n += snprintf(text + n, sizeof text - (size_t)n, "%lld%s", (long long)shape->dim[i],
                  !comma             ? ""
                  : shape->ndim == 1 ? ","
                                     : ", ");
  }
  n += snprintf(text + n, sizeof text - (size_t)n, "), }");
  memset(spaces, ' ', sizeof spaces);
  /* NumPy leaves room to let the first length grow in place to 21 digits, then fills up to a multiple of 64 */
  int grow = shape->ndim == 0 ? 0 : 21 - snprintf(NULL, 0, "%lld", (long long)shape->dim[0]);
  int length = n + grow + 1;
  length += 64 - (10 + length) % 64; /* 64 where it is one already */
  length = 10 + (size_t)length < least ? (int)least - 10 : length;
  const unsigned char prefix[4] = {1, 0, (unsigned char)(length & 0xFF), (unsigned char)(length >> 8)};
  KL_TRY(kl_buffer_reserve(out, 10 + (size_t)length));
  kl_buffer_append(out, magic, sizeof magic);
  kl_buffer_append(out, prefix, sizeof prefix);
  kl_buffer_append(out, text, (size_t)n);
  for (int left = length - n - 1; left > 0; left -= (int)sizeof spaces) {
    kl_buffer_append(out, spaces, left < (int)sizeof spaces ? (size_t)left : sizeof spaces);
  }
  return kl_buffer_append(out, "\n", 1);
}

kl_status kl_npy_encode(const kl_tensor *t, kl_buffer *out) {
  size_t bytes = (size_t)kl_tensor_numel(t) * kl_dtype_size((kl_dtype)t->dtype);
  KL_TRY(kl_npy_encode_header((kl_dtype)t->dtype, &t->shape, 0, out));
  KL_TRY(kl_buffer_reserve(out, out->size + bytes));
  kl_tensor_copy_out(t, out->data + out->size);
  out->size += bytes;
  return KL_OK;
}
