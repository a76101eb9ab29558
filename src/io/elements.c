/* Converting raw elements to kl's types, in place and front to back: element i of the result ends before raw element
 * i + 1 begins (kl_elements_place). */
#include "io/elements.h"

#include <stdio.h>
#include <string.h>

kl_dtype kl_element_dtype(kl_element e) {
  if (e.kind == KL_ELEMENT_FLOAT || e.kind == KL_ELEMENT_BFLOAT) {
    return e.size == 8 ? KL_FLOAT64 : KL_FLOAT32;
  }
  if (e.kind == KL_ELEMENT_BOOL) {
    return KL_BOOL;
  }
  if (e.kind == KL_ELEMENT_UNSIGNED) {
    return e.size == 1 ? KL_UINT8 : e.size == 2 ? KL_INT32 : KL_INT64;
  }
  return e.size == 8 ? KL_INT64 : KL_INT32;
}

const char *kl_element_text(kl_element e, char text[KL_ELEMENT_TEXT]) {
  static const char *const names[] = {"uint", "int", "float", "bfloat"};
  if (e.kind == KL_ELEMENT_BOOL) {
    return "bool";
  }
  snprintf(text, KL_ELEMENT_TEXT, "%s%d%s", names[e.kind], e.size * 8, e.big && e.size > 1 ? " (big-endian)" : "");
  return text;
}

kl_element kl_element_of(kl_dtype dtype) {
  kl_element_kind kind = kl_dtype_is_float(dtype)                 ? KL_ELEMENT_FLOAT
                         : dtype == KL_INT32 || dtype == KL_INT64 ? KL_ELEMENT_SIGNED
                                                                  : KL_ELEMENT_UNSIGNED;
  return (kl_element){kind, (int)kl_dtype_size(dtype), false};
}

char *kl_elements_place(const kl_tensor *t, kl_element e) {
  size_t wider = kl_dtype_size((kl_dtype)t->dtype) - (size_t)e.size;
  return (char *)kl_tensor_data(t) + (size_t)kl_tensor_numel(t) * wider;
}

static uint64_t load(const unsigned char *p, kl_element e) {
  uint64_t bits = 0;
  for (int i = 0; i < e.size; i++) {
    bits |= (uint64_t)p[e.big ? e.size - 1 - i : i] << 8 * i;
  }
  return bits;
}

/* IEEE binary16; every one is a binary32. */
static float widen_half(uint64_t bits) {
  uint32_t sign = (uint32_t)(bits & 0x8000) << 16, exponent = (uint32_t)bits >> 10 & 0x1F, fraction = bits & 0x3FF;
  uint32_t word;
  float value;
  if (exponent == 0) {
    value = (float)fraction * 0x1p-24f; /* zero or subnormal */
    return sign != 0 ? -value : value;
  }
  word = sign | (exponent == 31 ? 0xFFu : exponent + 112) << 23 | fraction << 13;
  memcpy(&value, &word, 4);
  return value;
}

kl_status kl_elements_convert_block(const char *what, kl_element e, const void *raw, int64_t numel, void *out) {
  const unsigned char *from = raw;
  unsigned char *to = out;
  int width = (int)kl_dtype_size(kl_element_dtype(e));
  bool is_unsigned64 = e.kind == KL_ELEMENT_UNSIGNED && e.size == 8;
  if (e.size == width && (!e.big || e.size == 1) && !is_unsigned64 && e.kind != KL_ELEMENT_BOOL) {
    if (from != to) {
      memcpy(to, from, (size_t)numel * (size_t)width);
    }
    return KL_OK;
  }
  for (int64_t i = 0; i < numel; i++, from += e.size, to += width) {
    uint64_t bits = load(from, e);
    if (is_unsigned64 && bits > INT64_MAX) {
      return kl_fail(KL_EVALUE, "%s: element %lld is %llu: at most %lld, the largest int64, expected", what,
                     (long long)i, (unsigned long long)bits, (long long)INT64_MAX);
    }
    if (e.kind == KL_ELEMENT_FLOAT && e.size == 2) {
      float value = widen_half(bits);
      memcpy(to, &value, 4);
      continue;
    }
    if (e.kind == KL_ELEMENT_BFLOAT) {
      bits <<= 16;
    } else if (e.kind == KL_ELEMENT_BOOL) {
      bits = bits != 0;
    } else if (e.kind == KL_ELEMENT_SIGNED && e.size < 4) {
      uint64_t sign = (uint64_t)1 << (8 * e.size - 1);
      bits = (bits ^ sign) - sign;
    }
    memcpy(to, &bits, (size_t)width); /* the low bytes: little-endian */
  }
  return KL_OK;
}

kl_status kl_elements_convert(const char *what, kl_tensor *t, kl_element e) {
  return kl_elements_convert_block(what, e, kl_elements_place(t, e), kl_tensor_numel(t), kl_tensor_data(t));
}
