/* JPEG files in memory, through libjpeg-turbo. */
#ifndef KL_IO_JPEG_H
#define KL_IO_JPEG_H

#include "io/image.h"

/* As kl_image_decode: 1 channel for a grey picture, 3 for everything else (CMYK becomes red, green, blue).  Orientation
 * and colour profiles are not applied.  What libjpeg would only warn of where samples are lost (a cut file, bad codes)
 * is an error; bytes behind the end of the picture are not, cameras write more pictures there. */
kl_status kl_jpeg_decode(const char *name, const void *data, size_t size, size_t limit, kl_image *out);

/* A baseline JPEG in *out (empty before) of 1 (grey) or 3 channels; quality 1 to 100.
 * Errors: KL_EVALUE for a height or width that is 0 or over 65500; KL_ENOMEM. */
kl_status kl_jpeg_encode(const unsigned char *samples, int64_t height, int64_t width, int channels, int quality,
                         kl_buffer *out);

#endif
