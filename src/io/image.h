/* Images of 8 bits a sample: PNG (png.c), JPEG (jpeg.c), and whatever of the two some bytes are (image.c).
 *
 * Samples lie in rows from the top, channels innermost: grey, grey and alpha, red green blue, or these and alpha.
 * Nothing here knows tensors or Lua, and every function may be called from any thread. */
#ifndef KL_IO_IMAGE_H
#define KL_IO_IMAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "io/buffer.h"

#define KL_IMAGE_MAX_SIDE 16384                    /* pixels, either way (formats.md 11) */
#define KL_IMAGE_DEFAULT_LIMIT ((size_t)256 << 20) /* bytes of samples */

typedef struct kl_image {
  int64_t height, width; /* pixels, >= 1 */
  int channels;          /* 1 to 4 */
  kl_buffer samples;     /* height * width * channels bytes */
} kl_image;

/* {0} is allowed. */
void kl_image_release(kl_image *image);

/* What the bytes begin like. */
typedef enum kl_image_format { KL_IMAGE_UNKNOWN, KL_IMAGE_PNG, KL_IMAGE_JPEG } kl_image_format;
kl_image_format kl_image_recognize(const void *data, size_t size);

/* The picture in a whole PNG or JPEG file (png.h, jpeg.h) in *out (empty before); `name` begins every message.  The
 * samples may take `limit` bytes; 0: KL_IMAGE_DEFAULT_LIMIT.
 * Errors: KL_EIO for other formats, damaged or cut files, sides over KL_IMAGE_MAX_SIDE, too many bytes; KL_ENOMEM. */
kl_status kl_image_decode(const char *name, const void *data, size_t size, size_t limit, kl_image *out);

/* The samples with that many channels (0: as they are) to `to`, which has room for height * width * channels bytes.
 * Alpha is dropped or 255; grey is repeated; colours become grey as (19595 r + 38470 g + 7471 b + 32768) / 65536, the
 * luma of ITU-R 601 as Pillow rounds it. */
void kl_image_copy(const kl_image *image, int channels, unsigned char *to);

/* For the decoders: the size, checked against the limits, and then room for the samples. */
kl_status kl_image_set_size(const char *name, uint64_t height, uint64_t width, int channels, size_t limit,
                            kl_image *out);
kl_status kl_image_make_room(kl_image *image);

#endif
