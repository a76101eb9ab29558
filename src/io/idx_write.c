/* Writing IDX: a header, the elements turned to big-endian, and gzip around both. */
#include <string.h>
#include <zlib.h>

#include "base/size.h"
#include "io/idx.h"

static void swap(char *data, size_t size, size_t width) {
  for (size_t at = 0; at + width <= size; at += width) {
    for (size_t i = 0; i < width / 2; i++) {
      char c = data[at + i];
      data[at + i] = data[at + width - 1 - i];
      data[at + width - 1 - i] = c;
    }
  }
}

static kl_status encode_plain(const kl_tensor *t, kl_buffer *out) {
  static const unsigned char codes[KL_DTYPE_COUNT] = {0x08, 0x08, 0x0C, 0, 0x0D, 0x0E};
  const kl_shape *shape = &t->shape;
  if (codes[t->dtype] == 0) {
    return kl_fail(KL_EDTYPE, "IDX has no int64: a tensor of bool, uint8, int32, float32 or float64 expected; cast it");
  }
  if (shape->ndim == 0) {
    return kl_fail(KL_ESHAPE, "IDX has no scalars: a tensor with one axis at least expected");
  }
  size_t width = kl_dtype_size((kl_dtype)t->dtype), bytes = (size_t)kl_tensor_numel(t) * width;
  unsigned char header[KL_IDX_MAX_HEADER] = {0, 0, codes[t->dtype], (unsigned char)shape->ndim};
  for (int i = 0; i < shape->ndim; i++) {
    if (shape->dim[i] > UINT32_MAX) {
      return kl_fail(KL_ESHAPE, "IDX has axes of at most 4294967295 elements, got %lld", (long long)shape->dim[i]);
    }
    for (int b = 0; b < 4; b++) {
      header[4 + 4 * i + b] = (unsigned char)(shape->dim[i] >> (24 - 8 * b));
    }
  }
  size_t begin = 4 + 4 * (size_t)shape->ndim;
  KL_TRY(kl_buffer_reserve(out, begin + bytes));
  KL_TRY(kl_buffer_append(out, header, begin));
  kl_tensor_copy_out(t, out->data + begin);
  out->size += bytes;
  swap(out->data + begin, bytes, width);
  return KL_OK;
}

/* One member without name and time, so the same content gives the same bytes. */
static kl_status compress_all(z_stream *z, const kl_buffer *plain, kl_buffer *out) {
  const size_t piece = (size_t)1 << 30; /* bytes per call: zlib counts in 32 bits */
  size_t given = 0;
  int result = Z_OK;
  while (result != Z_STREAM_END) {
    if (z->avail_in == 0 && given < plain->size) {
      z->next_in = (Bytef *)plain->data + given;
      z->avail_in = (uInt)(plain->size - given < piece ? plain->size - given : piece);
      given += z->avail_in;
    }
    if (out->size == out->capacity) {
      KL_TRY(kl_buffer_reserve(out, out->size + 1));
    }
    size_t room = out->capacity - out->size < piece ? out->capacity - out->size : piece;
    z->next_out = (Bytef *)out->data + out->size;
    z->avail_out = (uInt)room;
    result = deflate(z, given == plain->size ? Z_FINISH : Z_NO_FLUSH);
    out->size += room - z->avail_out;
  }
  return KL_OK;
}

static kl_status compress_plain(const kl_buffer *plain, kl_buffer *out) {
  z_stream z = {0};
  KL_TRY(kl_buffer_reserve(out, plain->size / 2 + 64));
  if (deflateInit2(&z, Z_DEFAULT_COMPRESSION, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) != Z_OK) {
    return kl_fail(KL_ENOMEM, "out of memory while deflating");
  }
  kl_status status = compress_all(&z, plain, out);
  deflateEnd(&z);
  return status;
}

kl_status kl_idx_encode(const kl_tensor *t, bool gzip, kl_buffer *out) {
  kl_buffer plain = {0};
  kl_status status = encode_plain(t, gzip ? &plain : out);
  if (gzip && status == KL_OK) {
    status = compress_plain(&plain, out);
  }
  kl_buffer_release(&plain);
  if (status != KL_OK) {
    kl_buffer_release(out);
  }
  return status;
}
