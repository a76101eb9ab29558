/* core.io.list_folder and core.io.resize_image: what data sets of pictures in folders need. */
#include <dirent.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "bind/io.h"
#include "io/image_resize.h"

#define FOLDER_TYPE "kl.io.folder"
#define MOST_SIDE 16384 /* pixels */

static int close_folder(lua_State *L) {
  DIR **slot = lua_touserdata(L, 1);
  if (*slot != NULL) {
    closedir(*slot);
    *slot = NULL;
  }
  return 0;
}

/* core.io.list_folder(path): a table from name to "folder" or "file"; links are followed, anything else is left out. */
static int list_folder(lua_State *L) {
  const char *path = kl_bind_check_text(L, 1, "list_folder: a path");
  DIR **slot = lua_newuserdatauv(L, sizeof(DIR *), 0);
  *slot = NULL;
  luaL_setmetatable(L, FOLDER_TYPE);
  *slot = opendir(path);
  if (*slot == NULL) {
    return kl_bind_error(L, "%s: the folder cannot be read: %s", path, strerror(errno));
  }
  lua_newtable(L);
  for (const struct dirent *entry; (entry = readdir(*slot)) != NULL;) {
    struct stat info;
    if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 &&
        fstatat(dirfd(*slot), entry->d_name, &info, 0) == 0 && (S_ISDIR(info.st_mode) || S_ISREG(info.st_mode))) {
      lua_pushstring(L, S_ISDIR(info.st_mode) ? "folder" : "file");
      lua_setfield(L, -2, entry->d_name);
    }
  }
  closedir(*slot);
  *slot = NULL;
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
    return kl_bind_error(L, "resize_image: a uint8 picture (height, width, channels) expected");
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

void kl_bind_open_folder(lua_State *L, int core) {
  static const luaL_Reg functions[] = {{"list_folder", list_folder}, {"resize_image", resize_image}, {NULL, NULL}};
  luaL_newmetatable(L, FOLDER_TYPE);
  lua_pushcfunction(L, close_folder);
  lua_setfield(L, -2, "__gc");
  lua_pop(L, 1);
  lua_getfield(L, core, "io");
  luaL_setfuncs(L, functions, 0);
  lua_pop(L, 1);
}
