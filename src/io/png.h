/* PNG files in memory, through libpng. */
#ifndef KL_IO_PNG_H
#define KL_IO_PNG_H

#include "io/image.h"

/* As kl_image_decode.  Every PNG becomes 8 bits a sample: palettes become their colours, fewer bits are spread over 0
 * to 255, 16 bits are rounded to 8; transparency becomes alpha.  Gamma and colour profiles are not applied, text is not
 * read.  Bytes behind the end are an error (reliability.md F9). */
kl_status kl_png_decode(const char *name, const void *data, size_t size, size_t limit, kl_image *out);

/* A PNG of the samples in *out (empty before): 1 to 4 channels as in image.h; compression 0 (none) to 9, or -1 for
 * zlib's usual.  The same samples give the same bytes.
 * Errors: KL_EVALUE for a height or width that is 0 or over 2^31 - 1; KL_ENOMEM. */
kl_status kl_png_encode(const unsigned char *samples, int64_t height, int64_t width, int channels, int compression,
                        kl_buffer *out);

#endif
