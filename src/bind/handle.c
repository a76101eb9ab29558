/* Handles: tensors as userdata.  What kind of value is at an index, handles for what C has made, and the tensors behind
 * values that a bound function was given. */
#include "bind/bind.h"
#include "graph/plan.h"
#include "op/assign.h"

/* Addresses of the metatables, for one comparison per argument instead of a lookup by name. */
static const void *tensor_meta, *recorded_meta, *variable_meta;

kl_bind_kind kl_bind_kind_of(lua_State *L, int index) {
  if (lua_type(L, index) != LUA_TUSERDATA || !lua_getmetatable(L, index)) {
    return KL_BIND_OTHER;
  }
  const void *meta = lua_topointer(L, -1);
  lua_pop(L, 1);
  return meta == tensor_meta     ? KL_BIND_TENSOR
         : meta == recorded_meta ? KL_BIND_RECORDED
         : meta == variable_meta ? KL_BIND_VARIABLE
                                 : KL_BIND_OTHER;
}

static int close_tensor(lua_State *L) {
  kl_bind_handle *handle = lua_touserdata(L, 1);
  kl_tensor *t = handle->t;
  handle->t = NULL;
  kl_tensor_release(t);
  return 0;
}

/* t:free(): for those who cannot wait for the collector. */
static int free_tensor(lua_State *L) {
  kl_bind_kind kind = kl_bind_kind_of(L, 1);
  if (kind != KL_BIND_TENSOR && kind != KL_BIND_RECORDED) {
    return kl_bind_error(L, "free: a tensor expected, got %s", luaL_typename(L, 1));
  }
  return kind == KL_BIND_TENSOR ? close_tensor(L) : 0;
}

/* Where the registry has the two metatables besides by name: a name costs a string's hash at every operation. */
static char tensor_key, recorded_key;

static kl_bind_handle *new_handle(lua_State *L, const void *key) {
  kl_bind_handle *handle = lua_newuserdatauv(L, sizeof *handle, 0);
  handle->t = NULL;
  handle->scope = 0;
  handle->place = -1;
  lua_rawgetp(L, LUA_REGISTRYINDEX, key);
  lua_setmetatable(L, -2);
  return handle;
}

kl_tensor **kl_bind_new_tensor(lua_State *L) { return &new_handle(L, &tensor_key)->t; }

kl_tensor **kl_bind_new_result(lua_State *L) {
  const kl_recorder *recorder = kl_context_now->recorder;
  kl_bind_handle *handle = new_handle(L, recorder == NULL ? &tensor_key : &recorded_key);
  handle->scope = recorder == NULL ? 0 : recorder->serial;
  return &handle->t;
}

void kl_bind_fill_result(lua_State *L, kl_tensor **slot, kl_tensor *t) {
  *slot = t;
  if (kl_context_now->recorder == NULL) {
    kl_bind_add_debt(L, t);
  } else if (!kl_tensor_has_value(t)) {
    ((kl_bind_handle *)slot)->place = t->node == NULL ? -1 : t->node->mark + t->index;
    kl_tensor_release(t); /* the recorder holds it */
  } else {
    luaL_setmetatable(L, KL_TENSOR_TYPE);
  }
}

static int push_symbolic(lua_State *L) {
  kl_bind_handle *handle = lua_newuserdatauv(L, sizeof *handle, 1);
  handle->t = NULL;
  handle->scope = 0;
  handle->place = -1;
  luaL_setmetatable(L, KL_TENSOR_TYPE);
  lua_pushvalue(L, 2);
  lua_setiuservalue(L, -2, 1);
  handle->t = lua_touserdata(L, 1);
  return 1;
}

void kl_bind_push_symbolic(lua_State *L, kl_tensor *t, int info) {
  info = lua_absindex(L, info);
  lua_pushcfunction(L, push_symbolic);
  lua_pushlightuserdata(L, t);
  lua_pushvalue(L, info);
  if (lua_pcall(L, 2, 1, 0) != LUA_OK) {
    kl_tensor_release(t);
    lua_error(L);
  }
}

void kl_bind_promote(lua_State *L, int index) {
  if (kl_bind_kind_of(L, index) == KL_BIND_RECORDED) {
    kl_bind_handle *handle = lua_touserdata(L, index);
    index = lua_absindex(L, index);
    luaL_getmetatable(L, KL_TENSOR_TYPE);
    kl_tensor_retain(handle->t);
    lua_setmetatable(L, index);
  }
}

static int push_protected(lua_State *L) {
  kl_tensor **slot = kl_bind_new_tensor(L);
  *slot = lua_touserdata(L, 1);
  return 1;
}

void kl_bind_push_tensor(lua_State *L, kl_tensor *t) {
  lua_pushcfunction(L, push_protected);
  lua_pushlightuserdata(L, t);
  if (lua_pcall(L, 1, 1, 0) != LUA_OK) {
    kl_tensor_release(t);
    lua_error(L);
  }
}

/* The step of a recorded handle is over: what made it, and what would have kept it. */
static int raise_dead(lua_State *L, const kl_bind_handle *handle) {
  const char *op;
  uint32_t source;
  if (kl_plan_find_origin(handle->scope, handle->place, &op, &source) && kl_bind_push_place(L, source)) {
    const char *line = lua_tostring(L, -2);
    lua_pushfstring(L, ", made by kl.%s%s%s%s,", op, *line == '\0' ? "" : " at ", line, lua_tostring(L, -1));
  } else {
    lua_pushliteral(L, "");
  }
  return kl_bind_error(L,
                       "this tensor%s belongs to a finished step: it is gone unless the step returns it, "
                       "assigns it to a variable, reads it or keeps it (t:keep())",
                       lua_tostring(L, -1));
}

/* The tensor of a handle of that kind. */
static kl_tensor *tensor_of(lua_State *L, int index, kl_bind_kind kind) {
  kl_bind_handle *handle = lua_touserdata(L, index);
  if (handle->t == NULL) {
    kl_bind_error(L, "this tensor was closed or freed and cannot be used any more");
  }
  if (kind == KL_BIND_RECORDED) {
    const kl_recorder *recorder = kl_context_now->recorder;
    if (recorder == NULL || recorder->serial != handle->scope) {
      raise_dead(L, handle);
    }
  }
  return handle->t;
}

kl_tensor *kl_bind_to_tensor(lua_State *L, int index) {
  kl_bind_kind kind = kl_bind_kind_of(L, index);
  return kind == KL_BIND_TENSOR || kind == KL_BIND_RECORDED ? tensor_of(L, index, kind) : NULL;
}

kl_tensor *kl_bind_to_either(lua_State *L, int index) {
  kl_bind_kind kind = kl_bind_kind_of(L, index);
  if (kind == KL_BIND_VARIABLE) {
    const kl_variable *v = *(kl_variable **)lua_touserdata(L, index);
    return v == NULL ? NULL : v->value;
  }
  return kind == KL_BIND_OTHER ? NULL : tensor_of(L, index, kind);
}

kl_tensor *kl_bind_check_tensor(lua_State *L, int index) {
  kl_tensor *t = kl_bind_to_tensor(L, index);
  if (t == NULL) {
    kl_bind_error(L, "a tensor expected, got %s", luaL_typename(L, index));
  }
  return t;
}

bool kl_bind_read_input(lua_State *L, int index, kl_bind_input *in) {
  in->index = lua_absindex(L, index);
  switch (lua_type(L, index)) {
    case LUA_TUSERDATA: {
      kl_bind_kind kind = kl_bind_kind_of(L, index);
      if (kind == KL_BIND_VARIABLE) {
        in->variable = *(kl_variable **)lua_touserdata(L, index);
        in->kind = KL_INPUT_VARIABLE;
        return in->variable != NULL;
      }
      in->kind = KL_INPUT_TENSOR;
      in->tensor = kind == KL_BIND_OTHER ? NULL : tensor_of(L, index, kind);
      return in->tensor != NULL;
    }
    case LUA_TNUMBER:
      if (lua_isinteger(L, index)) {
        in->kind = KL_INPUT_INTEGER;
        in->integer = lua_tointeger(L, index);
      } else {
        in->kind = KL_INPUT_NUMBER;
        in->number = lua_tonumber(L, index);
      }
      return true;
    case LUA_TBOOLEAN:
      in->kind = KL_INPUT_BOOLEAN;
      in->integer = lua_toboolean(L, index);
      return true;
    case LUA_TTABLE:
      in->kind = KL_INPUT_TABLE;
      in->table = lua_absindex(L, index);
      return true;
    default:
      return false;
  }
}

kl_status kl_bind_make_input(lua_State *L, const kl_bind_input *in, kl_tensor **out) {
  switch (in->kind) {
    case KL_INPUT_TENSOR:
      *out = kl_tensor_retain(in->tensor);
      return KL_OK;
    case KL_INPUT_VARIABLE:
      return kl_variable_read(in->variable, out);
    case KL_INPUT_INTEGER:
      return kl_tensor_new_weak_int(in->integer, out);
    case KL_INPUT_NUMBER:
      return kl_tensor_new_weak_float(in->number, out);
    case KL_INPUT_BOOLEAN: {
      kl_shape scalar = kl_shape_scalar();
      KL_TRY(kl_tensor_new(KL_BOOL, &scalar, out));
      *(uint8_t *)kl_tensor_data(*out) = in->integer != 0;
      return KL_OK;
    }
    default:
      return kl_bind_tensor_from_table(L, in->table, -1, out);
  }
}

void kl_bind_set_variable_meta(const void *meta) { variable_meta = meta; }

/* The metatables of the two kinds of handles, with how they end; tensor.c gives them their fields. */
void kl_bind_open_handle(lua_State *L, int core) {
  static const luaL_Reg ends[] = {{"__gc", close_tensor}, {"__close", close_tensor}, {NULL, NULL}};
  luaL_newmetatable(L, KL_TENSOR_TYPE);
  tensor_meta = lua_topointer(L, -1);
  luaL_setfuncs(L, ends, 0);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &tensor_key);
  luaL_newmetatable(L, KL_RECORDED_TYPE);
  recorded_meta = lua_topointer(L, -1);
  lua_pushcfunction(L, free_tensor);
  lua_setfield(L, -2, "__close");
  lua_rawsetp(L, LUA_REGISTRYINDEX, &recorded_key);
  lua_newtable(L);
  lua_pushcfunction(L, free_tensor);
  lua_setfield(L, -2, "free");
  lua_setfield(L, core, "tensor_methods"); /* other files add theirs, lua/kl ops and composites */
}
