/* Pictures of another size, as Keras's image_dataset_from_directory makes them (on TensorFlow, without antialiasing):
 * the centre of pixel i lies at i + 1/2, so target i stands for (i + 1/2) * size / target - 1/2. */
#ifndef KL_IO_IMAGE_RESIZE_H
#define KL_IO_IMAGE_RESIZE_H

#include <stdbool.h>
#include <stdint.h>

typedef enum kl_image_fit {
  KL_IMAGE_STRETCH, /* the ratio of the sides changes */
  KL_IMAGE_CROP,    /* the largest part in the middle that has the target's ratio */
  KL_IMAGE_PAD,     /* the picture in the middle of the smallest black one that has the target's ratio */
} kl_image_fit;

/* From height x width x channels bytes to target_height x target_width x channels floats in 0 to 255.  All sizes are
 * at least 1. */
void kl_image_resize(const unsigned char *from, int64_t height, int64_t width, int channels, kl_image_fit fit,
                     bool bilinear, float *to, int64_t target_height, int64_t target_width);

#endif
