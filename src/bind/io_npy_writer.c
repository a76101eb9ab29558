/* core.io.npy_writer: an .npy file written element by element, because it is larger than memory.  Its shape is known at
 * the end only; the header is written over one of the same size then. */
#include "bind/io.h"
#include "io/file.h"
#include "io/npy.h"
#include "op/apply.h"

#define WRITER_TYPE "kl.io.NpyWriter"

typedef struct npy_writer {
  kl_file_writer *file; /* NULL when it is finished or closed */
  kl_buffer buffer;     /* one element */
  size_t header;        /* bytes; 0 before the first element */
  kl_dtype dtype;
} npy_writer;

static void close_file(npy_writer *w) {
  kl_file_writer_release(w->file);
  kl_buffer_release(&w->buffer);
  w->file = NULL;
}

static int close_writer(lua_State *L) {
  close_file(luaL_checkudata(L, 1, WRITER_TYPE));
  return 0;
}

static npy_writer *check_writer(lua_State *L) {
  npy_writer *w = luaL_checkudata(L, 1, WRITER_TYPE);
  if (w->file == NULL) {
    kl_bind_error(L, "this file was finished or closed");
  }
  return w;
}

/* core.io.npy_writer(path) */
static int new_writer(lua_State *L) {
  const char *path = kl_bind_check_text(L, 1, "npy_writer: a path");
  npy_writer *w = lua_newuserdatauv(L, sizeof *w, 0);
  *w = (npy_writer){0};
  luaL_setmetatable(L, WRITER_TYPE);
  return kl_file_writer_new(path, &w->file) == KL_OK ? 1 : kl_bind_raise(L);
}

/* Of an array whose rows are such tensors. */
static kl_status put_header(npy_writer *w, const kl_tensor *t) {
  kl_shape shape = t->shape;
  for (int i = shape.ndim < KL_MAX_NDIM ? shape.ndim++ : KL_MAX_NDIM - 1; i > 0; i--) {
    shape.dim[i] = t->shape.dim[i - 1];
  }
  shape.dim[0] = 0;
  w->dtype = (kl_dtype)t->dtype;
  KL_TRY(kl_npy_encode_header(w->dtype, &shape, 0, &w->buffer));
  w->header = w->buffer.size;
  return kl_file_writer_append(w->file, w->buffer.data, w->buffer.size);
}

static kl_status append_element(npy_writer *w, const kl_tensor *t) {
  w->buffer.size = 0;
  if (w->header == 0) {
    KL_TRY(put_header(w, t));
  }
  size_t bytes = (size_t)kl_tensor_numel(t) * kl_dtype_size(w->dtype);
  KL_TRY(kl_buffer_reserve(&w->buffer, bytes));
  kl_tensor_copy_out(t, w->buffer.data);
  return kl_file_writer_append(w->file, w->buffer.data, bytes);
}

/* w:append(tensor): of the dtype of the first one. */
static int append(lua_State *L) {
  npy_writer *w = check_writer(L);
  kl_tensor *t = kl_bind_check_tensor(L, 2);
  if (kl_tensor_read(t) != KL_OK || append_element(w, t) != KL_OK) {
    return kl_bind_raise(L);
  }
  return 0;
}

/* w:finish(shape): the file gets its name; shape: that of all elements together. */
static int finish(lua_State *L) {
  npy_writer *w = check_writer(L);
  kl_shape shape = {0};
  luaL_checktype(L, 2, LUA_TTABLE);
  for (int n = (int)lua_rawlen(L, 2); shape.ndim < n && shape.ndim < KL_MAX_NDIM; shape.ndim++) {
    lua_rawgeti(L, 2, shape.ndim + 1);
    shape.dim[shape.ndim] = lua_tointeger(L, -1);
    lua_pop(L, 1);
  }
  w->buffer.size = 0;
  kl_status status = kl_npy_encode_header(w->dtype, &shape, w->header, &w->buffer);
  if (status == KL_OK && w->buffer.size != w->header) {
    status = kl_fail(KL_ESHAPE, "npy_writer: finish: a shape of the elements expected");
  }
  if (status == KL_OK) {
    status = kl_file_writer_finish(w->file, w->buffer.data, w->buffer.size);
  }
  close_file(w);
  return status == KL_OK ? 0 : kl_bind_raise(L);
}

void kl_bind_open_npy_writer(lua_State *L, int io) {
  static const luaL_Reg meta[] = {{"__gc", close_writer}, {NULL, NULL}};
  static const luaL_Reg methods[] = {{"append", append}, {"finish", finish}, {"close", close_writer}, {NULL, NULL}};
  kl_bind_new_type(L, WRITER_TYPE, meta, methods);
  lua_pushcfunction(L, new_writer);
  lua_setfield(L, io, "npy_writer");
}
