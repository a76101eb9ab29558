/* Resizing. */
#include "io/image_resize.h"

#include <math.h>

#include "base/size.h"

/* The picture that is looked at: a window of the given one, which may reach beyond it, where it is black. */
typedef struct window {
  const unsigned char *from;
  int64_t rows, columns; /* of the given picture */
  int channels;
  int64_t top, left, height, width;
} window;

static float sample(const window *w, int64_t y, int64_t x, int channel) {
  int64_t row = y + w->top, column = x + w->left;
  if (row < 0 || row >= w->rows || column < 0 || column >= w->columns) {
    return 0.0f;
  }
  return (float)w->from[(row * w->columns + column) * w->channels + channel];
}

/* Whole numbers as Keras computes them: a product in float64, divided, cut. */
static int64_t scaled(int64_t a, int64_t b, int64_t c) {
  int64_t n = (int64_t)((double)a * (double)b / (double)c);
  return n < 1 ? 1 : n;
}

static window choose(const unsigned char *from, int64_t height, int64_t width, int channels, kl_image_fit fit,
                     int64_t target_height, int64_t target_width) {
  window w = {from, height, width, channels, 0, 0, height, width};
  int64_t fitting_height = scaled(width, target_height, target_width);
  int64_t fitting_width = scaled(height, target_width, target_height);
  if (fit == KL_IMAGE_CROP) {
    w.height = kl_min_i64(height, fitting_height);
    w.width = kl_min_i64(width, fitting_width);
    w.top = (height - w.height) / 2;
    w.left = (width - w.width) / 2;
  } else if (fit == KL_IMAGE_PAD) {
    w.height = kl_max_i64(height, fitting_height);
    w.width = kl_max_i64(width, fitting_width);
    w.top = -((w.height - height) / 2);
    w.left = -((w.width - width) / 2);
  }
  return w;
}

/* The two pixels along an axis that target i lies between, and how far it is towards the second. */
static float neighbours(int64_t i, float scale, int64_t size, int64_t *low, int64_t *high) {
  float at = ((float)i + 0.5f) * scale - 0.5f, floor_at = floorf(at);
  *low = kl_max_i64((int64_t)floor_at, 0);
  *high = kl_min_i64((int64_t)ceilf(at), size - 1);
  return at - floor_at;
}

static int64_t nearest(int64_t i, float scale, int64_t size) {
  return kl_min_i64((int64_t)floorf(((float)i + 0.5f) * scale), size - 1);
}

void kl_image_resize(const unsigned char *from, int64_t height, int64_t width, int channels, kl_image_fit fit,
                     bool bilinear, float *to, int64_t target_height, int64_t target_width) {
  window w = choose(from, height, width, channels, fit, target_height, target_width);
  float scale_y = (float)w.height / (float)target_height, scale_x = (float)w.width / (float)target_width;
  for (int64_t y = 0; y < target_height; y++) {
    int64_t y0 = nearest(y, scale_y, w.height), y1 = y0;
    float dy = bilinear ? neighbours(y, scale_y, w.height, &y0, &y1) : 0.0f;
    for (int64_t x = 0; x < target_width; x++) {
      int64_t x0 = nearest(x, scale_x, w.width), x1 = x0;
      float dx = bilinear ? neighbours(x, scale_x, w.width, &x0, &x1) : 0.0f;
      for (int c = 0; c < channels; c++) {
        float top_left = sample(&w, y0, x0, c), bottom_left = sample(&w, y1, x0, c);
        float top = top_left + (sample(&w, y0, x1, c) - top_left) * dx;
        float bottom = bottom_left + (sample(&w, y1, x1, c) - bottom_left) * dx;
        *to++ = top + (bottom - top) * dy;
      }
    }
  }
}
