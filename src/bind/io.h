/* What the bindings of src/io share. */
#ifndef KL_BIND_IO_H
#define KL_BIND_IO_H

#include "bind/bind.h"
#include "io/buffer.h"

/* An empty buffer in a userdata of the collector's: no Lua error can leak it.  [-0, +1] */
kl_buffer *kl_bind_new_buffer(lua_State *L);

/* Pushes the buffer's bytes as a string and gives its block back.  [-0, +1] */
void kl_bind_push_buffer(lua_State *L, kl_buffer *b);

/* The string at an index, without NUL: a path or a name.  Raises otherwise; `what` is the function and the argument,
 * "read_idx: a path". */
const char *kl_bind_check_text(lua_State *L, int index, const char *what);

/* The field of the options at `index` (a table, or nothing), on the stack; raises if the options are something else.
 * [-0, +1] */
void kl_bind_push_option(lua_State *L, int index, const char *function, const char *name);

/* An optional size in bytes, or `otherwise`.  Raises if it is not an integer > 0. */
size_t kl_bind_opt_bytes(lua_State *L, int index, const char *what, size_t otherwise);

/* Reads a whole file, collecting and trying again if memory is short. */
kl_status kl_bind_read_file(lua_State *L, const char *path, size_t limit, kl_buffer *out);

/* json.c: appends the value at `index` as JSON.  May raise for want of memory; *out should be the collector's. */
kl_status kl_bind_write_json(lua_State *L, int index, int indent, kl_buffer *out);

/* io_array.c: the open file of rows at an index; NULL for anything else, a closed one included. */
struct kl_row_file;
struct kl_row_file *kl_bind_to_rows(lua_State *L, int index);

/* Each io_<name>.c: its functions into the table at `io`. */
void kl_bind_open_h5(lua_State *L, int io);
void kl_bind_open_h5_write(lua_State *L, int io);
void kl_bind_open_image(lua_State *L, int io);
void kl_bind_open_array(lua_State *L, int io);
void kl_bind_open_csv(lua_State *L, int io);
void kl_bind_open_npy_writer(lua_State *L, int io);
void kl_bind_open_folder(lua_State *L, int io);

#endif
