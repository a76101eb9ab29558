/* What PNG and JPEG share: limits, finding out which of them some bytes are, changing the number of channels. */
#include "io/image.h"

#include <string.h>

#include "io/jpeg.h"
#include "io/png.h"

void kl_image_release(kl_image *image) {
  kl_buffer_release(&image->samples);
  *image = (kl_image){0};
}

kl_image_format kl_image_recognize(const void *data, size_t size) {
  return size >= 8 && memcmp(data, "\x89PNG\r\n\x1a\n", 8) == 0 ? KL_IMAGE_PNG
         : size >= 3 && memcmp(data, "\xff\xd8\xff", 3) == 0    ? KL_IMAGE_JPEG
                                                                : KL_IMAGE_UNKNOWN;
}

kl_status kl_image_set_size(const char *name, uint64_t height, uint64_t width, int channels, size_t limit,
                            kl_image *out) {
  unsigned long long h = height, w = width;
  if (h < 1 || w < 1 || h > KL_IMAGE_MAX_SIDE || w > KL_IMAGE_MAX_SIDE) {
    return kl_fail(KL_EIO, "%s: an image of 1 to %d pixels in height and width expected, found %llu x %llu", name,
                   KL_IMAGE_MAX_SIDE, h, w);
  }
  size_t bytes = (size_t)(height * width) * (size_t)channels, most = limit != 0 ? limit : KL_IMAGE_DEFAULT_LIMIT;
  if (bytes > most) {
    return kl_fail(KL_EIO,
                   "%s: an image of at most %zu bytes expected, found %llu x %llu pixels of %d channels, %zu bytes; a "
                   "larger limit can be given",
                   name, most, h, w, channels, bytes);
  }
  out->height = (int64_t)height;
  out->width = (int64_t)width;
  out->channels = channels;
  return KL_OK;
}

kl_status kl_image_make_room(kl_image *image) {
  size_t bytes = (size_t)(image->height * image->width) * (size_t)image->channels;
  KL_TRY(kl_buffer_reserve(&image->samples, bytes));
  image->samples.size = bytes;
  return KL_OK;
}

kl_status kl_image_decode(const char *name, const void *data, size_t size, size_t limit, kl_image *out) {
  const unsigned char *p = data;
  switch (kl_image_recognize(data, size)) {
    case KL_IMAGE_PNG:
      return kl_png_decode(name, data, size, limit, out);
    case KL_IMAGE_JPEG:
      return kl_jpeg_decode(name, data, size, limit, out);
    default:
      return size < 4
                 ? kl_fail(KL_EIO, "%s: a PNG or JPEG file expected, found %zu bytes", name, size)
                 : kl_fail(KL_EIO, "%s: a PNG or JPEG file expected, found one that begins with %02x %02x %02x %02x",
                           name, p[0], p[1], p[2], p[3]);
  }
}

static unsigned char luma(const unsigned char *p) {
  return (unsigned char)((p[0] * 19595u + p[1] * 38470u + p[2] * 7471u + 0x8000u) >> 16);
}

void kl_image_copy(const kl_image *image, int channels, unsigned char *to) {
  const unsigned char *from = (const unsigned char *)image->samples.data;
  int have = image->channels;
  if (channels == 0 || channels == have) {
    memcpy(to, from, image->samples.size);
    return;
  }
  bool colours = have >= 3, alpha = have == 2 || have == 4;
  for (int64_t i = 0, n = image->height * image->width; i < n; i++, from += have, to += channels) {
    unsigned char grey = colours && channels <= 2 ? luma(from) : from[0];
    to[0] = channels <= 2 ? grey : from[0];
    if (channels >= 3) {
      to[1] = from[colours ? 1 : 0];
      to[2] = from[colours ? 2 : 0];
    }
    if (channels == 2 || channels == 4) {
      to[channels - 1] = alpha ? from[have - 1] : 255;
    }
  }
}
