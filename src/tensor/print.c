/* Printing. */
#include "tensor/print.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define THRESHOLD 1000 /* elements: above it axes longer than 2 * EDGE are shortened */
#define EDGE 3
#define LINE_WIDTH 75
#define ELEMENT_WIDTH 40 /* bytes of one element at most */

typedef struct printer {
  const kl_tensor *t;
  char *out;
  size_t size, used;
  bool shorten, scientific;
  int width, digits; /* of every element; digits after the point */
  int column;        /* where the line is */
  int64_t index[KL_MAX_NDIM];
} printer;

static void put(printer *p, const char *format, ...) KL_PRINTF(2, 3);

static void put(printer *p, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  int n = vsnprintf(p->out + p->used, p->size - p->used, format, arguments);
  va_end(arguments);
  p->column += n;
  p->used += (size_t)n < p->size - p->used ? (size_t)n : p->size - p->used - 1;
}

/* The axis has a gap: only its first and last EDGE positions are shown. */
/* One without elements may have any number of empty rows. */
static bool is_long(const kl_tensor *t) { return kl_tensor_numel(t) > THRESHOLD || kl_tensor_numel(t) == 0; }

static bool has_gap(const printer *p, int axis) { return p->shorten && p->t->shape.dim[axis] > 2 * EDGE; }

static int64_t shown(const printer *p, int axis) { return has_gap(p, axis) ? 2 * EDGE : p->t->shape.dim[axis]; }

static int64_t position(const printer *p, int axis, int64_t i) {
  return has_gap(p, axis) && i >= EDGE ? p->t->shape.dim[axis] - 2 * EDGE + i : i;
}

size_t kl_print_size(const kl_tensor *t) {
  printer p = {.t = t, .shorten = is_long(t)};
  size_t n = 1;
  if (kl_tensor_has_value(t)) {
    for (int axis = 0; axis < t->shape.ndim; axis++) {
      n *= (size_t)shown(&p, axis) + 1;
    }
  }
  return n * (ELEMENT_WIDTH + 2 * KL_MAX_NDIM + 8) + 256;
}

/* Fewest digits after the point, at most 8, that give the value back when read as its own type. */
static int needed_digits(double value, bool is_float32, bool scientific) {
  char text[64];
  for (int digits = 0; digits < 8; digits++) {
    snprintf(text, sizeof text, scientific ? "%.*e" : "%.*f", digits, value);
    if (is_float32 ? strtof(text, NULL) == (float)value : strtod(text, NULL) == value) {
      return digits;
    }
  }
  return 8;
}

static void format_element(const printer *p, int64_t at, char text[ELEMENT_WIDTH]) {
  if (p->t->dtype == KL_BOOL) {
    snprintf(text, ELEMENT_WIDTH, "%s", kl_tensor_get_int(p->t, at) ? "true" : "false");
  } else if (!kl_dtype_is_float((kl_dtype)p->t->dtype)) {
    snprintf(text, ELEMENT_WIDTH, "%lld", (long long)kl_tensor_get_int(p->t, at));
  } else {
    double value = kl_tensor_get_double(p->t, at);
    if (!isfinite(value)) {
      snprintf(text, ELEMENT_WIDTH, "%s", isnan(value) ? "nan" : value > 0 ? "inf" : "-inf");
    } else {
      snprintf(text, ELEMENT_WIDTH, p->scientific ? "%.*e" : p->digits == 0 ? "%.*f." : "%.*f", p->digits, value);
    }
  }
}

static int64_t flat_index(const printer *p) {
  int64_t at = 0;
  for (int axis = 0; axis < p->t->shape.ndim; axis++) {
    at = at * p->t->shape.dim[axis] + p->index[axis];
  }
  return at;
}

/* Calls f for every shown element. */
static void each_shown(printer *p, int axis, void (*f)(printer *p, int64_t at)) {
  if (axis == p->t->shape.ndim) {
    f(p, flat_index(p));
    return;
  }
  for (int64_t i = 0; i < shown(p, axis); i++) {
    p->index[axis] = position(p, axis, i);
    each_shown(p, axis + 1, f);
  }
}

static void choose_notation(printer *p, int64_t at) {
  double magnitude = fabs(kl_tensor_get_double(p->t, at));
  if (isfinite(magnitude) && magnitude != 0 && (magnitude >= 1e8 || magnitude < 1e-4)) {
    p->scientific = true;
  }
}

static void choose_digits(printer *p, int64_t at) {
  double value = kl_tensor_get_double(p->t, at);
  if (isfinite(value)) {
    int digits = needed_digits(value, p->t->dtype == KL_FLOAT32, p->scientific);
    p->digits = digits > p->digits ? digits : p->digits;
  }
}

static void choose_width(printer *p, int64_t at) {
  char text[ELEMENT_WIDTH];
  format_element(p, at, text);
  int width = (int)strlen(text);
  p->width = width > p->width ? width : p->width;
}

static void new_line(printer *p, int count, int indent) {
  for (int i = 0; i < count; i++) {
    put(p, "\n");
  }
  p->column = 0;
  put(p, "%*s", indent, "");
}

/* What stands behind the comma before the next position of an axis: a blank, or the beginning of a line. */
static void next_position(printer *p, int axis, int indent) {
  int ndim = p->t->shape.ndim;
  if (axis < ndim - 1) {
    new_line(p, ndim - 1 - axis, indent + 1);
  } else if (p->column + 1 + p->width > LINE_WIDTH) {
    new_line(p, 1, indent + 1);
  } else {
    put(p, " ");
  }
}

static void put_axis(printer *p, int axis, int indent) {
  int ndim = p->t->shape.ndim;
  if (axis == ndim) {
    char text[ELEMENT_WIDTH];
    format_element(p, flat_index(p), text);
    put(p, "%*s", p->width, text);
    return;
  }
  put(p, "[");
  int64_t n = shown(p, axis);
  for (int64_t i = 0; i < n; i++) {
    p->index[axis] = position(p, axis, i);
    if (i > 0) {
      next_position(p, axis, indent);
    }
    if (has_gap(p, axis) && i == EDGE) {
      put(p, "...,");
      next_position(p, axis, indent);
    }
    put_axis(p, axis + 1, indent + 1);
    if (i + 1 < n) {
      put(p, ",");
    }
  }
  put(p, "]");
}

size_t kl_print(const kl_tensor *t, char *out, size_t size) {
  static const char head[] = "tensor(";
  printer p = {.t = t, .out = out, .size = size};
  char shape[KL_SHAPE_TEXT];
  p.shorten = is_long(t);
  put(&p, "%s", head);
  if (kl_tensor_has_value(t)) {
    if (kl_dtype_is_float((kl_dtype)t->dtype)) {
      each_shown(&p, 0, choose_notation);
      each_shown(&p, 0, choose_digits);
    }
    each_shown(&p, 0, choose_width);
    put_axis(&p, 0, (int)sizeof head - 1);
    put(&p, ", ");
  } else {
    put(&p, "no value, ");
  }
  put(&p, "shape=%s, dtype=%s)", kl_shape_text(&t->shape, shape), kl_dtype_name((kl_dtype)t->dtype));
  return p.used;
}
