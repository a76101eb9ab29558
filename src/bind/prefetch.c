/* core.prefetch: rows gathered ahead by a thread (io/prefetch.h), for lua/kl/data.
 *
 * A ticket is the promise of one job's tensors.  The job holds what it needs by itself: Lua may collect queue, ticket
 * and tensors in any order. */
#include "io/prefetch.h"
#include "bind/io.h"

#define QUEUE_TYPE "kl.Prefetch"
#define TICKET_TYPE "kl.Prefetch.Ticket"
#define MOST_PARTS 64
#define MOST_JOBS (1 << 20)

static kl_prefetch **check_queue(lua_State *L) { return luaL_checkudata(L, 1, QUEUE_TYPE); }

/* core.prefetch(capacity) */
static int new_queue(lua_State *L) {
  lua_Integer capacity = luaL_optinteger(L, 1, 2);
  kl_prefetch **slot = lua_newuserdatauv(L, sizeof *slot, 0);
  *slot = NULL;
  luaL_setmetatable(L, QUEUE_TYPE);
  int bounded = capacity > MOST_JOBS ? MOST_JOBS : (int)capacity;
  kl_status status = kl_prefetch_new(bounded, slot);
  if (kl_bind_retry(L, status)) {
    status = kl_prefetch_new(bounded, slot);
  }
  return status == KL_OK ? 1 : kl_bind_raise(L);
}

static int collect_queue(lua_State *L) {
  kl_prefetch **slot = check_queue(L);
  kl_prefetch *p = *slot;
  *slot = NULL;
  kl_prefetch_release(p);
  return 0;
}

/* queue:close() */
static int close_queue(lua_State *L) {
  kl_prefetch *p = *check_queue(L);
  if (p != NULL) {
    kl_prefetch_close(p);
  }
  return 0;
}

/* Rows that lie each in one piece. */
static bool has_rows(const kl_tensor *t) {
  int64_t stride = 1;
  if (t->storage == NULL || t->shape.ndim == 0) {
    return false;
  }
  for (int i = t->shape.ndim - 1; i > 0; i--) {
    if (t->shape.dim[i] != 1 && t->strides[i] != stride) {
      return false;
    }
    stride *= t->shape.dim[i];
  }
  return true;
}

/* The row numbers, from 1, of the list at `index` as numbers from 0 in a userdata of the collector's.  [-0, +1] */
static int64_t *check_rows(lua_State *L, int index, int64_t limit, int64_t *count) {
  luaL_checktype(L, index, LUA_TTABLE);
  *count = (int64_t)lua_rawlen(L, index);
  int64_t *rows = lua_newuserdatauv(L, (size_t)*count * sizeof *rows + 1, 0);
  for (int64_t i = 0; i < *count; i++) {
    int is_integer;
    lua_rawgeti(L, index, i + 1);
    rows[i] = lua_tointegerx(L, -1, &is_integer) - 1;
    lua_pop(L, 1);
    if (!is_integer || rows[i] < 0 || rows[i] >= limit) {
      kl_bind_error(L, "prefetch: row %lld of %lld", (long long)rows[i] + 1, (long long)limit);
    }
  }
  return rows;
}

static const kl_shape *shape_of(const kl_prefetch_part *part) {
  return part->file != NULL ? kl_row_file_shape(part->file) : &part->source->shape;
}

/* queue:submit(arrays, rows) -> ticket, or nothing if there is no room, or no memory, or it is better done later. */
static int submit(lua_State *L) {
  kl_prefetch *p = *check_queue(L);
  luaL_checktype(L, 2, LUA_TTABLE);
  int count = (int)lua_rawlen(L, 2);
  if (p == NULL || !kl_prefetch_has_room(p) || count < 1 || count > MOST_PARTS) {
    return 0;
  }
  kl_prefetch_part parts[MOST_PARTS] = {{0}};
  int64_t rows_of_all = INT64_MAX, row_count;
  luaL_checkstack(L, count + 8, "prefetch");
  for (int k = 0; k < count; k++) {
    lua_rawgeti(L, 2, k + 1);
    parts[k].file = kl_bind_to_rows(L, -1);
    if (parts[k].file == NULL) {
      parts[k].source = kl_bind_to_tensor(L, -1);
    }
    lua_pop(L, 1); /* the list holds it */
    if (parts[k].file == NULL && (parts[k].source == NULL || !has_rows(parts[k].source))) {
      return 0;
    }
    int64_t own_rows = shape_of(&parts[k])->dim[0];
    rows_of_all = own_rows < rows_of_all ? own_rows : rows_of_all;
  }
  const int64_t *rows = check_rows(L, 3, rows_of_all, &row_count);
  kl_prefetch_job **slot = lua_newuserdatauv(L, sizeof *slot, 1);
  *slot = NULL;
  luaL_setmetatable(L, TICKET_TYPE);
  lua_createtable(L, count, 0); /* the tensors to come */
  kl_status status = KL_OK;
  for (int k = 0; k < count && status == KL_OK; k++) {
    kl_shape shape = *shape_of(&parts[k]);
    kl_dtype dtype = parts[k].file != NULL ? kl_row_file_dtype(parts[k].file) : (kl_dtype)parts[k].source->dtype;
    shape.dim[0] = row_count;
    kl_tensor **out = kl_bind_new_tensor(L);
    status = kl_prefetch_buffer(p, dtype, &shape, out);
    parts[k].out = *out;
    lua_rawseti(L, -2, k + 1);
  }
  for (int k = 0; k < count && status == KL_OK; k++) {
    /* a buffer that is used again too: else nothing would free it */
    kl_bind_add_bytes(L, parts[k].out->storage->bytes);
  }
  lua_setiuservalue(L, -2, 1);
  if (status == KL_OK) {
    status = kl_prefetch_submit(p, parts, count, rows, row_count, slot);
  }
  return status == KL_OK ? 1 : 0;
}

static int release_ticket(lua_State *L) {
  kl_prefetch_job **slot = luaL_checkudata(L, 1, TICKET_TYPE);
  kl_prefetch_job *job = *slot;
  *slot = NULL;
  if (job != NULL) {
    kl_prefetch_release_job(job);
  }
  return 0;
}

/* ticket:wait() -> list of tensors; nothing if the queue was closed before. */
static int wait_for(lua_State *L) {
  kl_prefetch_job **slot = luaL_checkudata(L, 1, TICKET_TYPE);
  if (*slot == NULL) {
    return 0;
  }
  bool done;
  kl_status status = kl_prefetch_wait(*slot, &done);
  release_ticket(L);
  if (status != KL_OK) {
    return kl_bind_raise(L);
  }
  if (!done) {
    return 0;
  }
  lua_getiuservalue(L, 1, 1);
  return 1;
}

void kl_bind_open_prefetch(lua_State *L, int core) {
  static const luaL_Reg queue_methods[] = {{"submit", submit}, {"close", close_queue}, {NULL, NULL}};
  luaL_newmetatable(L, QUEUE_TYPE);
  lua_pushcfunction(L, collect_queue);
  lua_setfield(L, -2, "__gc");
  luaL_newlib(L, queue_methods);
  lua_setfield(L, -2, "__index");
  luaL_newmetatable(L, TICKET_TYPE);
  lua_pushcfunction(L, release_ticket);
  lua_setfield(L, -2, "__gc");
  lua_createtable(L, 0, 1);
  lua_pushcfunction(L, wait_for);
  lua_setfield(L, -2, "wait");
  lua_setfield(L, -2, "__index");
  lua_pop(L, 2);
  lua_pushcfunction(L, new_queue);
  lua_setfield(L, core, "prefetch");
}
