/* core.events_open: writers of TensorBoard's event files, for lua/kl/summary.
 *
 * Methods take the tag, the step, the time (seconds since 1970; nil: now) and a description (or nil) first.  Texts are
 * checked here: one that is not UTF-8 would make the whole event unreadable. */
#include <string.h>

#include "bind/io.h"
#include "io/tfevents.h"
#include "io/utf8.h"
#include "op/apply.h"

#define EVENTS_TYPE "kl.io.Events"

static int close_quietly(lua_State *L) {
  kl_tfevents **slot = luaL_checkudata(L, 1, EVENTS_TYPE);
  kl_tfevents *w = *slot;
  *slot = NULL;
  kl_tfevents_close(w); /* of a writer that nobody closed: nobody would hear of an error */
  return 0;
}

/* w:close(): also of a closed one. */
static int close_events(lua_State *L) {
  kl_tfevents **slot = luaL_checkudata(L, 1, EVENTS_TYPE);
  kl_tfevents *w = *slot;
  *slot = NULL;
  return kl_tfevents_close(w) == KL_OK ? 0 : kl_bind_raise(L);
}

static kl_tfevents *check_events(lua_State *L) {
  kl_tfevents **slot = luaL_testudata(L, 1, EVENTS_TYPE);
  if (slot == NULL || *slot == NULL) {
    kl_bind_error(L, "%s", slot == NULL ? "a summary writer expected as self" : "this summary writer is closed");
    return NULL;
  }
  return *slot;
}

/* A string without NUL that is UTF-8. */
static const char *check_text(lua_State *L, int index, const char *what) {
  const char *text = kl_bind_check_text(L, index, what);
  if (!kl_utf8_is_valid(text, strlen(text))) {
    kl_bind_error(L, "%s must be valid UTF-8", what);
  }
  return text;
}

/* core.events_open(folder, suffix, max_queue, flush_seconds, wall_time) */
static int open_events(lua_State *L) {
  const char *folder = kl_bind_check_text(L, 1, "kl.summary: a folder");
  kl_tfevents_options options = {
      .suffix = kl_bind_check_text(L, 2, "kl.summary: a suffix"),
      .max_queue = luaL_checkinteger(L, 3),
      .flush_seconds = luaL_checknumber(L, 4),
      .wall_time = lua_isnoneornil(L, 5) ? kl_tfevents_now() : luaL_checknumber(L, 5),
  };
  kl_tfevents **slot = lua_newuserdatauv(L, sizeof *slot, 0);
  *slot = NULL;
  luaL_setmetatable(L, EVENTS_TYPE);
  kl_status status = kl_tfevents_open(folder, &options, slot);
  if (kl_bind_retry(L, status)) {
    status = kl_tfevents_open(folder, &options, slot);
  }
  return status == KL_OK ? 1 : kl_bind_raise(L);
}

/* The arguments that every summary begins with. */
static kl_event check_event(lua_State *L, kl_event_kind kind, const char *plugin) {
  kl_event e = {.kind = kind, .plugin = plugin};
  e.tag = kind == KL_EVENT_START || kind == KL_EVENT_GRAPH ? NULL : check_text(L, 2, "kl.summary: a name");
  e.step = luaL_checkinteger(L, 3);
  e.wall_time = lua_isnoneornil(L, 4) ? kl_tfevents_now() : luaL_checknumber(L, 4);
  e.description = lua_isnoneornil(L, 5) ? NULL : check_text(L, 5, "kl.summary: a description");
  return e;
}

static int append(lua_State *L, kl_tfevents *w, const kl_event *e) {
  kl_status status = kl_tfevents_append(w, e);
  if (kl_bind_retry(L, status)) {
    status = kl_tfevents_append(w, e);
  }
  return status == KL_OK ? 0 : kl_bind_raise(L);
}

/* w:start(nil, step, time) */
static int write_start(lua_State *L) {
  kl_tfevents *w = check_events(L);
  kl_event e = check_event(L, KL_EVENT_START, NULL);
  return append(L, w, &e);
}

/* w:scalar(tag, step, time, description, number) */
static int write_scalar(lua_State *L) {
  kl_tfevents *w = check_events(L);
  kl_event e = check_event(L, KL_EVENT_SCALAR, "scalars");
  e.number = luaL_checknumber(L, 6);
  return append(L, w, &e);
}

/* w:histogram(tag, step, time, description, tensor, buckets): the number of elements that are not finite. */
static int write_histogram(lua_State *L) {
  kl_tfevents *w = check_events(L);
  kl_event e = check_event(L, KL_EVENT_TENSOR, "histograms");
  lua_Integer buckets = luaL_checkinteger(L, 7);
  kl_bind_enter(L);
  kl_tensor *t = kl_bind_check_tensor(L, 6);
  if (kl_tensor_read(t) != KL_OK) {
    return kl_bind_raise(L);
  }
  kl_bind_promote(L, 6);
  kl_tensor **rows = kl_bind_new_tensor(L);
  int64_t nonfinite;
  kl_status status = kl_tfevents_histogram(t, buckets, rows, &nonfinite);
  if (kl_bind_retry(L, status)) {
    status = kl_tfevents_histogram(t, buckets, rows, &nonfinite);
  }
  if (status != KL_OK) {
    return kl_bind_raise(L);
  }
  e.tensor = *rows;
  append(L, w, &e);
  kl_tensor_release(*rows);
  *rows = NULL;
  lua_pushinteger(L, nonfinite);
  return 1;
}

/* The strings in the list at `index`, in a userdata of the collector's; the list keeps them alive.  [-0, +1] */
static kl_bytes *check_strings(lua_State *L, int index, size_t *count) {
  luaL_checktype(L, index, LUA_TTABLE);
  *count = (size_t)lua_rawlen(L, index);
  kl_bytes *strings = lua_newuserdatauv(L, *count * sizeof *strings + 1, 0);
  for (size_t i = 0; i < *count; i++) {
    if (lua_rawgeti(L, index, (lua_Integer)i + 1) != LUA_TSTRING) {
      kl_bind_error(L, "kl.summary: a string expected as entry %d, got %s", (int)i + 1, luaL_typename(L, -1));
    }
    strings[i].data = lua_tolstring(L, -1, &strings[i].size);
    lua_pop(L, 1);
  }
  return strings;
}

/* w:strings(tag, step, time, description, plugin, content, list, rows, columns): a scalar without rows, a vector
 * without columns. */
static int write_strings(lua_State *L) {
  kl_tfevents *w = check_events(L);
  kl_event e = check_event(L, KL_EVENT_STRINGS, luaL_checkstring(L, 6));
  e.content.data = luaL_checklstring(L, 7, &e.content.size);
  size_t count;
  int64_t dim[2] = {luaL_optinteger(L, 9, 0), luaL_optinteger(L, 10, 0)};
  e.ndim = lua_isnoneornil(L, 9) ? 0 : lua_isnoneornil(L, 10) ? 1 : 2;
  e.dim = dim;
  e.strings = check_strings(L, 8, &count);
  int64_t expected = e.ndim == 0 ? 1 : e.ndim == 1 ? dim[0] : dim[0] * dim[1];
  if ((int64_t)count != expected) {
    return kl_bind_error(L, "kl.summary: %d strings expected, got %d", (int)expected, (int)count);
  }
  return append(L, w, &e);
}

/* The list of strings in the field as C strings, in a userdata of the collector's; the list keeps them alive. [-0, +1]
 */
static const char **check_names(lua_State *L, int node, const char *field, size_t *count) {
  lua_getfield(L, node, field);
  int list = lua_gettop(L);
  *count = lua_istable(L, list) ? (size_t)lua_rawlen(L, list) : 0;
  const char **names = lua_newuserdatauv(L, *count * sizeof *names + 1, 0);
  for (size_t i = 0; i < *count; i++) {
    lua_rawgeti(L, list, (lua_Integer)i + 1);
    names[i] = check_text(L, -1, "kl.summary: a name in a graph");
    lua_pop(L, 1);
  }
  lua_remove(L, list);
  return names;
}

/* The list of shapes in the field: integers, false where unknown.  [-0, +1] */
static kl_shape *check_shapes(lua_State *L, int node, size_t *count) {
  lua_getfield(L, node, "shapes");
  int list = lua_gettop(L);
  *count = lua_istable(L, list) ? (size_t)lua_rawlen(L, list) : 0;
  kl_shape *shapes = lua_newuserdatauv(L, *count * sizeof *shapes + 1, 0);
  for (size_t i = 0; i < *count; i++) {
    lua_rawgeti(L, list, (lua_Integer)i + 1);
    luaL_checktype(L, -1, LUA_TTABLE);
    lua_Unsigned ndim = lua_rawlen(L, -1);
    shapes[i].ndim = ndim > KL_MAX_NDIM ? KL_MAX_NDIM : (int)ndim;
    for (int axis = 0; axis < shapes[i].ndim; axis++) {
      lua_rawgeti(L, -1, axis + 1);
      shapes[i].dim[axis] = lua_isinteger(L, -1) ? lua_tointeger(L, -1) : KL_UNKNOWN;
      lua_pop(L, 1);
    }
    lua_pop(L, 1);
  }
  lua_remove(L, list);
  return shapes;
}

static const char *check_field(lua_State *L, int node, const char *field) {
  lua_getfield(L, node, field); /* the node keeps it alive */
  const char *text = lua_isnil(L, -1) ? NULL : check_text(L, -1, "kl.summary: a word in a graph");
  lua_pop(L, 1);
  return text;
}

/* w:graph(nil, step, time, nil, nodes): nodes {name, op, inputs, shapes, dtype, keys, values}, of which the last two
 * are lists of the same length. */
static int write_graph(lua_State *L) {
  kl_tfevents *w = check_events(L);
  kl_event e = check_event(L, KL_EVENT_GRAPH, NULL);
  luaL_checktype(L, 6, LUA_TTABLE);
  lua_settop(L, 6);
  kl_buffer *graph = kl_bind_new_buffer(L);
  int base = lua_gettop(L);
  for (lua_Integer i = 1; lua_rawgeti(L, 6, i) == LUA_TTABLE; i++) {
    int node = lua_gettop(L);
    luaL_checkstack(L, 16, "graph");
    kl_event_node n = {
        .name = check_field(L, node, "name"), .op = check_field(L, node, "op"), .dtype = check_field(L, node, "dtype")};
    if (n.name == NULL || n.op == NULL) {
      return kl_bind_error(L, "kl.summary: a node of a graph needs a name and an op");
    }
    size_t values;
    n.inputs = check_names(L, node, "inputs", &n.input_count);
    n.shapes = check_shapes(L, node, &n.shape_count);
    n.key = check_names(L, node, "keys", &n.attribute_count);
    lua_getfield(L, node, "values");
    if (lua_isnil(L, -1)) {
      lua_newtable(L);
    }
    n.value = check_strings(L, lua_gettop(L), &values);
    n.attribute_count = n.attribute_count < values ? n.attribute_count : values;
    if (kl_event_append_node(graph, &n) != KL_OK) {
      return kl_bind_raise(L);
    }
    lua_settop(L, base);
  }
  if (kl_event_end_graph(graph) != KL_OK) {
    return kl_bind_raise(L);
  }
  e.graph = graph;
  append(L, w, &e);
  kl_buffer_release(graph);
  return 0;
}

static int flush(lua_State *L) { return kl_tfevents_flush(check_events(L)) == KL_OK ? 0 : kl_bind_raise(L); }

static int path(lua_State *L) {
  lua_pushstring(L, kl_tfevents_path(check_events(L)));
  return 1;
}

void kl_bind_open_summary(lua_State *L, int core) {
  static const luaL_Reg methods[] = {
      {"start", write_start},
      {"scalar", write_scalar},
      {"histogram", write_histogram},
      {"strings", write_strings},
      {"graph", write_graph},
      {"flush", flush},
      {"path", path},
      {"close", close_events},
      {NULL, NULL},
  };
  static const luaL_Reg meta[] = {{"__gc", close_quietly}, {NULL, NULL}};
  kl_bind_new_type(L, EVENTS_TYPE, meta, methods);
  lua_pushcfunction(L, open_events);
  lua_setfield(L, core, "events_open");
}
