/* Kernels that write windows of a new tensor.  Compiled once per instruction set only because the table is. */
#include "device/cpu/simd.h"
#include "device/cpu/tiles.h"

/* The part of `whole` that begins at `starts` and has `shape`. */
static kl_view window(const kl_view *whole, const int64_t *starts, const kl_shape *shape) {
  kl_view part = *whole;
  int64_t offset = 0;
  for (int i = 0; i < whole->shape.ndim; i++) {
    offset += starts[i] * whole->strides[i];
  }
  part.shape = *shape;
  part.data = (char *)whole->data + offset * (int64_t)kl_dtype_size(whole->dtype);
  return part;
}

static kl_status run_slice_update(const kl_call *c) {
  kl_view part = window(&c->out[0], c->attrs[0].v, &c->in[1].shape);
  kl_tiles_copy(&c->in[0], &c->out[0]);
  kl_tiles_copy(&c->in[1], &part);
  return KL_OK;
}
const kl_kernel KL_K(slice_update) = {.run = run_slice_update};

static kl_status run_concatenate(const kl_call *c) {
  int64_t starts[KL_MAX_NDIM] = {0};
  int axis = (int)c->attrs[0].v[0];
  for (int i = 0; i < c->nin; i++) {
    kl_view part = window(&c->out[0], starts, &c->in[i].shape);
    kl_tiles_copy(&c->in[i], &part);
    starts[axis] += c->in[i].shape.dim[axis];
  }
  return KL_OK;
}
const kl_kernel KL_K(concatenate) = {.run = run_concatenate};

static kl_status run_pad(const kl_call *c) {
  kl_view value = c->in[1];
  value.shape = c->out[0].shape;
  for (int i = 0; i < value.shape.ndim; i++) {
    value.strides[i] = 0;
  }
  kl_view part = window(&c->out[0], c->attrs[0].v, &c->in[0].shape);
  kl_tiles_copy(&value, &c->out[0]);
  kl_tiles_copy(&c->in[0], &part);
  return KL_OK;
}
const kl_kernel KL_K(pad) = {.run = run_pad};
