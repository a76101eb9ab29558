/* core.io.encode_png, encode_jpeg, decode_image and resize_image: pictures as uint8 tensors (height, width,
 * channels). */
#include "bind/io.h"
#include "io/image.h"
#include "io/image_resize.h"
#include "io/jpeg.h"
#include "io/png.h"
#include "op/apply.h"

#define IMAGE_TYPE "kl.io.image"
#define MOST_SIDE 16384 /* pixels of a resized picture */

static int close_image(lua_State *L) {
  kl_image_release(lua_touserdata(L, 1));
  return 0;
}

/* The integer option of that name within [low, high], or `otherwise`. */
static int opt_integer(lua_State *L, int index, const char *function, const char *name, int low, int high,
                       int otherwise) {
  kl_bind_push_option(L, index, function, name);
  int value = otherwise;
  if (!lua_isnil(L, -1)) {
    if (!lua_isinteger(L, -1) || lua_tointeger(L, -1) < low || lua_tointeger(L, -1) > high) {
      kl_bind_error(L, "%s: %s: an integer from %d to %d expected, got %s", function, name, low, high,
                    luaL_tolstring(L, -1, NULL));
    }
    value = (int)lua_tointeger(L, -1);
  }
  lua_pop(L, 1);
  return value;
}

/* A picture that is to be written. */
typedef struct picture {
  kl_tensor *t;
  int64_t height, width;
  int channels;
  int level; /* quality or compression */
} picture;

static picture check_picture(lua_State *L, const char *function, bool png) {
  kl_bind_enter(L);
  kl_tensor *t = kl_bind_to_either(L, 1);
  char text[KL_SHAPE_TEXT];
  if (t == NULL) {
    kl_bind_error(L, "%s: a tensor expected, got %s", function, luaL_typename(L, 1));
    return (picture){0};
  }
  const kl_shape *s = &t->shape;
  int64_t channels = s->ndim == 3 ? s->dim[2] : s->ndim == 2 ? 1 : 0;
  if (channels < 1 || channels > (png ? 4 : 3) || (!png && channels == 2)) {
    kl_bind_error(
        L, "%s: a tensor of shape (height, width) or (height, width, channels), with %s channels expected, got %s",
        function, png ? "1 to 4" : "1 or 3", kl_shape_text(s, text));
  }
  if (t->dtype != KL_UINT8) {
    kl_bind_error(L, "%s: a tensor of uint8, 0 to 255, expected, got %s", function, kl_dtype_name((kl_dtype)t->dtype));
  }
  return (picture){.t = t, .height = s->dim[0], .width = s->dim[1], .channels = (int)channels};
}

static kl_status encode(const picture *p, bool png, kl_buffer *scratch, kl_buffer *out) {
  KL_TRY(kl_tensor_read(p->t));
  const unsigned char *samples;
  if (kl_tensor_is_contiguous(p->t)) {
    samples = kl_tensor_data(p->t);
  } else {
    KL_TRY(kl_buffer_reserve(scratch, (size_t)kl_tensor_numel(p->t)));
    kl_tensor_copy_out(p->t, scratch->data);
    samples = (const unsigned char *)scratch->data;
  }
  return png ? kl_png_encode(samples, p->height, p->width, p->channels, p->level, out)
             : kl_jpeg_encode(samples, p->height, p->width, p->channels, p->level, out);
}

static int push_encoded(lua_State *L, const picture *p, bool png) {
  kl_buffer *scratch = kl_bind_new_buffer(L), *b = kl_bind_new_buffer(L);
  kl_status status = encode(p, png, scratch, b);
  if (kl_bind_retry(L, status)) {
    status = encode(p, png, scratch, b);
  }
  kl_buffer_release(scratch);
  if (status != KL_OK) {
    return kl_bind_raise(L);
  }
  kl_bind_push_buffer(L, b);
  return 1;
}

/* core.io.encode_png(tensor, {compression = 0 to 9}): the file's bytes */
static int encode_png(lua_State *L) {
  picture p = check_picture(L, "encode_png", true);
  p.level = opt_integer(L, 2, "encode_png", "compression", 0, 9, -1);
  return push_encoded(L, &p, true);
}

/* core.io.encode_jpeg(tensor, {quality = 1 to 100}): the file's bytes; 95 by default */
static int encode_jpeg(lua_State *L) {
  picture p = check_picture(L, "encode_jpeg", false);
  p.level = opt_integer(L, 2, "encode_jpeg", "quality", 1, 100, 95);
  return push_encoded(L, &p, false);
}

static kl_status make_tensor(const kl_image *image, int channels, kl_tensor **out) {
  kl_shape shape = {3, {image->height, image->width, channels != 0 ? channels : image->channels}};
  KL_TRY(kl_tensor_new(KL_UINT8, &shape, out));
  kl_image_copy(image, channels, kl_tensor_data(*out));
  return KL_OK;
}

/* core.io.decode_image(bytes, {channels = 0 (as in the file) to 4, max_bytes = n, name = text}): PNG or JPEG, known by
 * content. */
static int decode_image(lua_State *L) {
  size_t size;
  if (lua_type(L, 1) != LUA_TSTRING) {
    return kl_bind_error(L, "decode_image: a string, the bytes of an image file, expected, got %s",
                         luaL_typename(L, 1));
  }
  const char *data = lua_tolstring(L, 1, &size);
  int channels = opt_integer(L, 2, "decode_image", "channels", 0, 4, 0);
  kl_bind_push_option(L, 2, "decode_image", "max_bytes");
  size_t limit = kl_bind_opt_bytes(L, -1, "decode_image: max_bytes", 0);
  kl_bind_push_option(L, 2, "decode_image", "name");
  const char *name = lua_isnil(L, -1) ? "image" : kl_bind_check_text(L, -1, "decode_image: name");
  kl_image *image = lua_newuserdatauv(L, sizeof *image, 0);
  *image = (kl_image){0};
  luaL_setmetatable(L, IMAGE_TYPE);
  kl_tensor **slot = kl_bind_new_tensor(L);
  kl_status status = kl_image_decode(name, data, size, limit, image);
  if (kl_bind_retry(L, status)) {
    status = kl_image_decode(name, data, size, limit, image);
  }
  if (status == KL_OK) {
    status = make_tensor(image, channels, slot);
    if (kl_bind_retry(L, status)) {
      status = make_tensor(image, channels, slot);
    }
  }
  kl_image_release(image);
  if (status != KL_OK) {
    return kl_bind_raise(L);
  }
  kl_bind_add_debt(L, *slot);
  return 1;
}

static int64_t check_side(lua_State *L, int index) {
  lua_Integer side = luaL_checkinteger(L, index);
  if (side < 1 || side > MOST_SIDE) {
    kl_bind_error(L, "resize_image: sides from 1 to %d pixels expected, got %lld", MOST_SIDE, (long long)side);
  }
  return side;
}

/* core.io.resize_image(uint8 tensor (height, width, channels), height, width, "bilinear" or "nearest", "stretch",
 * "crop" or "pad"): float32 in 0 to 255. */
static int resize_image(lua_State *L) {
  static const char *const kinds[] = {"bilinear", "nearest", NULL};
  static const char *const fits[] = {"stretch", "crop", "pad", NULL};
  kl_bind_enter(L);
  kl_tensor *t = kl_bind_check_tensor(L, 1);
  int64_t height = check_side(L, 2), width = check_side(L, 3);
  bool bilinear = luaL_checkoption(L, 4, "bilinear", kinds) == 0;
  kl_image_fit fit = (kl_image_fit)luaL_checkoption(L, 5, "stretch", fits);
  if (t->dtype != KL_UINT8 || t->shape.ndim != 3 || t->storage == NULL || !kl_tensor_is_contiguous(t) ||
      kl_tensor_numel(t) == 0) {
    char text[KL_SHAPE_TEXT];
    return kl_bind_error(L, "resize_image: a uint8 picture (height, width, channels) expected, got %s of shape %s",
                         kl_dtype_name((kl_dtype)t->dtype), kl_shape_text(&t->shape, text));
  }
  kl_shape shape = {3, {height, width, t->shape.dim[2]}};
  kl_tensor **slot = kl_bind_new_tensor(L);
  kl_status status = kl_tensor_new(KL_FLOAT32, &shape, slot);
  if (kl_bind_retry(L, status)) {
    status = kl_tensor_new(KL_FLOAT32, &shape, slot);
  }
  if (status != KL_OK) {
    return kl_bind_raise(L);
  }
  kl_image_resize(kl_tensor_data(t), t->shape.dim[0], t->shape.dim[1], (int)t->shape.dim[2], fit, bilinear,
                  kl_tensor_data(*slot), height, width);
  kl_bind_add_debt(L, *slot);
  return 1;
}

void kl_bind_open_image(lua_State *L, int io) {
  static const luaL_Reg functions[] = {{"encode_png", encode_png},
                                       {"encode_jpeg", encode_jpeg},
                                       {"decode_image", decode_image},
                                       {"resize_image", resize_image},
                                       {NULL, NULL}};
  static const luaL_Reg ends[] = {{"__gc", close_image}, {NULL, NULL}};
  kl_bind_new_type(L, IMAGE_TYPE, ends, NULL);
  lua_pushvalue(L, io);
  luaL_setfuncs(L, functions, 0);
  lua_pop(L, 1);
}
