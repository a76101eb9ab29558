/* Reading IDX: header, sizes checked against the file before anything is allocated, elements straight into the tensor.
 * Writing is in idx_write.c. */
#include "io/idx.h"

#include <stdio.h>
#include <string.h>
#include <zlib.h>

#include "base/size.h"
#include "io/elements.h"
#include "io/file.h"

#define MOST_INFLATED 1040 /* bytes that deflate can make of one, rounded up */

/* The bytes of the format, wherever they come from. */
typedef struct source {
  char name[KL_PATH_TEXT];
  kl_buffer file;
  size_t at; /* bytes given so far: the offset in the format */
  bool gzip;
  bool finished; /* the last gzip member has ended */
  z_stream z;
} source;

static kl_status fail_gzip(const source *s, const char *what) {
  return kl_fail(KL_EIO, "%s: damaged gzip data: %s, after %zu inflated bytes and %zu of %zu compressed ones", s->name,
                 what, s->at, s->file.size - s->z.avail_in, s->file.size);
}

/* Inflates up to `size` bytes; *got is less only at the end of the data. */
static kl_status inflate_some(source *s, unsigned char *to, size_t size, size_t *got) {
  *got = 0;
  while (*got < size && !s->finished) {
    size_t piece = size - *got < 1u << 30 ? size - *got : 1u << 30;
    s->z.next_out = to + *got;
    s->z.avail_out = (uInt)piece;
    int result = inflate(&s->z, Z_NO_FLUSH);
    size_t made = piece - s->z.avail_out;
    *got += made;
    s->at += made;
    if (result == Z_STREAM_END) {
      /* another member may follow; anything else behind it is no gzip header and fails there */
      s->finished = s->z.avail_in == 0;
      result = s->finished ? Z_OK : inflateReset(&s->z);
    }
    if (result == Z_MEM_ERROR) {
      return kl_fail(KL_ENOMEM, "%s: out of memory while inflating", s->name);
    }
    if (result != Z_OK) {
      return fail_gzip(s, result == Z_BUF_ERROR ? "it ends too early" : s->z.msg != NULL ? s->z.msg : "no valid data");
    }
  }
  return KL_OK;
}

static kl_status take(source *s, void *to, size_t size, size_t *got) {
  if (s->gzip) {
    return inflate_some(s, to, size, got);
  }
  *got = size < s->file.size - s->at ? size : s->file.size - s->at;
  memcpy(to, s->file.data + s->at, *got);
  s->at += *got;
  return KL_OK;
}

static kl_status take_all(source *s, const char *what, void *to, size_t size) {
  size_t got, begin = s->at;
  KL_TRY(take(s, to, size, &got));
  if (got < size) {
    return kl_fail(KL_EIO, "%s: the file is cut off: %zu bytes of %s expected at offset %zu, %zu found", s->name, size,
                   what, begin, got);
  }
  return KL_OK;
}

static bool parse_type(unsigned char code, kl_element *e) {
  static const struct {
    unsigned char code;
    kl_element element;
  } types[] = {
      {0x08, {KL_ELEMENT_UNSIGNED, 1, true}}, {0x09, {KL_ELEMENT_SIGNED, 1, true}},
      {0x0B, {KL_ELEMENT_SIGNED, 2, true}},   {0x0C, {KL_ELEMENT_SIGNED, 4, true}},
      {0x0D, {KL_ELEMENT_FLOAT, 4, true}},    {0x0E, {KL_ELEMENT_FLOAT, 8, true}},
  };
  for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
    if (types[i].code == code) {
      *e = types[i].element;
      return true;
    }
  }
  return false;
}

static kl_status read_header(source *s, kl_element *e, kl_shape *shape, size_t *bytes) {
  unsigned char magic[4], sizes[4 * KL_MAX_NDIM];
  KL_TRY(take_all(s, "magic number", magic, 4));
  if (magic[0] != 0 || magic[1] != 0 || !parse_type(magic[2], e) || magic[3] < 1 || magic[3] > KL_MAX_NDIM) {
    return kl_fail(KL_EIO,
                   "%s: not an IDX file: a magic number 00 00, type 08 09 0b 0c 0d or 0e, rank 01 to %02d expected at "
                   "offset 0, got %02x %02x %02x %02x",
                   s->name, KL_MAX_NDIM, magic[0], magic[1], magic[2], magic[3]);
  }
  shape->ndim = magic[3];
  KL_TRY(take_all(s, "sizes", sizes, 4 * (size_t)shape->ndim));
  *bytes = (size_t)e->size;
  bool empty = false, fits = true;
  for (int i = 0; i < shape->ndim; i++) {
    const unsigned char *p = sizes + 4 * i;
    shape->dim[i] = (int64_t)p[0] << 24 | p[1] << 16 | p[2] << 8 | p[3];
    empty = empty || shape->dim[i] == 0;
    fits = fits && (shape->dim[i] == 0 || kl_mul_size(*bytes, (size_t)shape->dim[i], bytes));
  }
  if (!fits || *bytes > INT64_MAX / 8) {
    char text[KL_SHAPE_TEXT];
    return kl_fail(KL_EIO, "%s: the declared shape %s does not fit in memory", s->name, kl_shape_text(shape, text));
  }
  *bytes = empty ? 0 : *bytes;
  return KL_OK;
}

kl_status kl_idx_read_header(const char *name, const void *data, size_t size, kl_idx_header *out) {
  /* only looked at, although a buffer can be changed */
  source s = {.file = {(char *)(uintptr_t)data, size, size}};
  snprintf(s.name, sizeof s.name, "%s", name);
  KL_TRY(read_header(&s, &out->element, &out->shape, &out->bytes));
  out->data = s.at;
  return KL_OK;
}

/* Refuses what the file cannot hold, before memory is asked for. */
static kl_status check_size(const source *s, const kl_shape *shape, size_t bytes, size_t limit) {
  char text[KL_SHAPE_TEXT];
  kl_shape_text(shape, text);
  if (!s->gzip) {
    return s->file.size - s->at == bytes
               ? KL_OK
               : kl_fail(KL_EIO, "%s: shape %s needs %zu bytes of elements from offset %zu on, the file has %zu there",
                         s->name, text, bytes, s->at, s->file.size - s->at);
  }
  if (bytes / MOST_INFLATED > s->file.size) {
    return kl_fail(KL_EIO, "%s: shape %s needs %zu bytes of elements, more than the file's %zu gzipped ones can hold",
                   s->name, text, bytes, s->file.size);
  }
  size_t most = limit != 0 ? limit : ((size_t)64 << 20) + 4 * s->file.size;
  if (bytes > most) {
    return kl_fail(KL_EIO,
                   "%s: shape %s needs %zu bytes of elements: at most %zu expected of a gzipped file of %zu bytes; a "
                   "larger limit can be given",
                   s->name, text, bytes, most, s->file.size);
  }
  return KL_OK;
}

static kl_status read_array(source *s, size_t limit, kl_tensor **out) {
  kl_element e;
  kl_shape shape;
  size_t bytes = 0, more = 0;
  char extra;
  KL_TRY(read_header(s, &e, &shape, &bytes));
  KL_TRY(check_size(s, &shape, bytes, limit));
  KL_TRY(kl_tensor_new(kl_element_dtype(e), &shape, out));
  KL_TRY(take_all(s, "elements", kl_elements_place(*out, e), bytes));
  KL_TRY(take(s, &extra, 1, &more));
  if (more != 0) {
    return kl_fail(KL_EIO, "%s: the end of the file expected at offset %zu, more bytes found", s->name, s->at - 1);
  }
  return kl_elements_convert(s->name, *out, e);
}

kl_status kl_idx_read(const char *path, size_t limit, kl_tensor **out) {
  source s = {0};
  *out = NULL;
  kl_path_text(path, s.name);
  KL_TRY(kl_file_read(path, SIZE_MAX, &s.file));
  s.gzip = s.file.size >= 2 && memcmp(s.file.data, "\x1f\x8b", 2) == 0;
  kl_status status = KL_OK;
  if (s.gzip) {
    s.z.next_in = (Bytef *)s.file.data;
    status = s.file.size > UINT32_MAX
                 ? kl_fail(KL_EIO, "%s: gzipped files of up to 4 GiB expected, got %zu bytes", s.name, s.file.size)
             : inflateInit2(&s.z, 15 + 16) != Z_OK ? kl_fail(KL_ENOMEM, "%s: out of memory while inflating", s.name)
                                                   : KL_OK;
    s.z.avail_in = (uInt)s.file.size;
  }
  if (status == KL_OK) {
    status = read_array(&s, limit, out);
  }
  if (s.gzip) {
    inflateEnd(&s.z);
  }
  kl_buffer_release(&s.file);
  if (status != KL_OK) {
    kl_tensor_release(*out);
    *out = NULL;
  }
  return status;
}
