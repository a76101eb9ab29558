/* Reading a rank-0 input of any type. */
#ifndef KL_DEVICE_CPU_SCALAR_H
#define KL_DEVICE_CPU_SCALAR_H

#include "device/device.h"

static inline double kl_scalar_number(const kl_view *v) {
  switch (v->dtype) {
    case KL_FLOAT32:
      return (double)*(const float *)v->data;
    case KL_FLOAT64:
      return *(const double *)v->data;
    case KL_INT32:
      return (double)*(const int32_t *)v->data;
    case KL_INT64:
      return (double)*(const int64_t *)v->data;
    default:
      return (double)*(const uint8_t *)v->data;
  }
}

/* Floats are cut toward zero; NaN and what does not fit give the nearest end. */
static inline int64_t kl_scalar_integer(const kl_view *v) {
  switch (v->dtype) {
    case KL_INT32:
      return *(const int32_t *)v->data;
    case KL_INT64:
      return *(const int64_t *)v->data;
    case KL_FLOAT32:
    case KL_FLOAT64: {
      double x = kl_scalar_number(v);
      return x >= 9223372036854774784.0 ? INT64_MAX : x > -9223372036854775808.0 ? (int64_t)x : INT64_MIN;
    }
    default:
      return *(const uint8_t *)v->data;
  }
}

#endif
