/* core.prefetch: rows gathered, and recorded steps run, ahead by a thread (io/prefetch.h), for lua/kl/data.
 *
 * A ticket is the promise of one job's tensors.  The job holds what it needs by itself: Lua may collect queue, ticket
 * and tensors in any order. */
#include "io/prefetch.h"

#include <string.h>

#include "bind/io.h"
#include "bind/replay.h"

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

static kl_status run_call(void *context) { return kl_ahead_call_run(context); }
static void release_call(void *context) { kl_ahead_call_release(context); }

/* Storages for what a call computes; with rows > 0 for that of so many. */
static kl_status make_storages(kl_prefetch *p, const kl_ahead *ahead, int64_t rows, kl_tensor **storages) {
  for (int i = 0; i < kl_ahead_storage_count(ahead); i++) {
    kl_spec spec = kl_ahead_storage_spec(ahead, i);
    if (rows > 0) {
      memmove(spec.shape.dim + 1, spec.shape.dim, sizeof *spec.shape.dim * (size_t)spec.shape.ndim);
      spec.shape.dim[0] = rows;
      spec.shape.ndim++;
    }
    KL_TRY(kl_prefetch_buffer(p, spec.dtype, &spec.shape, &storages[i]));
  }
  return KL_OK;
}

/* The call with storages of its own; NULL if it can not be had. */
static kl_ahead_call *new_call(kl_prefetch *p, kl_ahead *ahead, int64_t rows, int nargs, kl_tensor *const *args,
                               size_t *bytes) {
  kl_tensor *storages[MOST_PARTS] = {NULL};
  kl_ahead_call *call = NULL;
  if (make_storages(p, ahead, rows, storages) == KL_OK) {
    kl_ahead_call_new(ahead, rows, nargs, args, storages, &call);
  }
  *bytes = 0;
  for (int i = 0; i < MOST_PARTS && storages[i] != NULL; i++) {
    *bytes += storages[i]->storage->bytes;
    kl_tensor_release(storages[i]); /* the call holds it */
  }
  return call;
}

/* Contiguous, with so many rows. */
static bool are_rows(int64_t rows, int n, kl_tensor *const *args) {
  for (int i = 0; i < n; i++) {
    if (args[i]->shape.ndim == 0 || args[i]->shape.dim[0] != rows || !kl_tensor_is_contiguous(args[i])) {
      return false;
    }
  }
  return true;
}

static bool takes(const kl_bind_replay *r, int64_t rows, int nargs, kl_tensor *const *args) {
  if (rows > 0 && (!kl_ahead_takes_rows(r->ahead) || !are_rows(rows, nargs, args))) {
    return false;
  }
  return kl_replay_fits(r->replay, rows > 0, nargs, args);
}

/* queue:run(replay, tensors, rows) -> ticket: the replay on these tensors, which jobs before may be about to make; with
 * rows > 0 on each of so many rows of them.  Nothing if only the script's own thread can do it. */
static int run_replay(lua_State *L) {
  kl_prefetch *p = *check_queue(L);
  const kl_bind_replay *captured = kl_bind_check_replay(L, 2);
  kl_ahead *ahead = captured->ahead;
  luaL_checktype(L, 3, LUA_TTABLE);
  int64_t rows = luaL_optinteger(L, 4, 0);
  int nargs = (int)lua_rawlen(L, 3);
  kl_tensor *args[MOST_PARTS];
  if (p == NULL || ahead == NULL || nargs > MOST_PARTS || kl_ahead_storage_count(ahead) > MOST_PARTS) {
    return 0;
  }
  for (int k = 0; k < nargs; k++) {
    lua_rawgeti(L, 3, k + 1);
    args[k] = kl_bind_check_tensor(L, -1);
    lua_pop(L, 1); /* the list holds it */
  }
  if (!takes(captured, rows, nargs, args)) {
    return 0;
  }
  kl_prefetch_job **slot = lua_newuserdatauv(L, sizeof *slot, 1);
  *slot = NULL;
  luaL_setmetatable(L, TICKET_TYPE);
  int n = kl_ahead_result_count(ahead);
  luaL_checkstack(L, n + 4, "prefetch");
  lua_createtable(L, n, 0);
  int first = lua_gettop(L) + 1;
  for (int k = 0; k < n; k++) {
    kl_bind_new_tensor(L);
  }
  size_t bytes;
  kl_ahead_call *call = new_call(p, ahead, rows, nargs, args, &bytes);
  kl_status status = call == NULL ? KL_ENOMEM : KL_OK;
  for (int k = 0; k < n && status == KL_OK; k++) {
    status = kl_ahead_call_result(call, k, &((kl_bind_handle *)lua_touserdata(L, first + k))->t);
  }
  if (status == KL_OK) {
    status = kl_prefetch_submit_work(p, &(kl_prefetch_work){run_call, release_call, call}, slot);
  } else if (call != NULL) {
    kl_ahead_call_release(call);
  }
  if (status != KL_OK) {
    return 0;
  }
  for (int k = n; k > 0; k--) {
    lua_rawseti(L, first - 1, k);
  }
  lua_setiuservalue(L, -2, 1);
  kl_bind_add_bytes(L, bytes);
  return 1;
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

/* ticket:wait() -> list of tensors; nothing if they were not made: the script's own thread is to do it. */
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

/* ticket:tensors() -> the list of tensors that wait will give, for queue:run. */
static int promised(lua_State *L) {
  luaL_checkudata(L, 1, TICKET_TYPE);
  lua_getiuservalue(L, 1, 1);
  return 1;
}

void kl_bind_open_prefetch(lua_State *L, int core) {
  static const luaL_Reg queue_meta[] = {{"__gc", collect_queue}, {NULL, NULL}};
  static const luaL_Reg queue_methods[] = {
      {"submit", submit}, {"run", run_replay}, {"close", close_queue}, {NULL, NULL}};
  static const luaL_Reg ticket_meta[] = {{"__gc", release_ticket}, {NULL, NULL}};
  static const luaL_Reg ticket_methods[] = {{"wait", wait_for}, {"tensors", promised}, {NULL, NULL}};
  kl_bind_new_type(L, QUEUE_TYPE, queue_meta, queue_methods);
  kl_bind_new_type(L, TICKET_TYPE, ticket_meta, ticket_methods);
  lua_pushcfunction(L, new_queue);
  lua_setfield(L, core, "prefetch");
}
