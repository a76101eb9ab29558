/* core.io.make_folder and core.io.list_folder. */
#include <dirent.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "bind/io.h"
#include "io/folder.h"

#define FOLDER_TYPE "kl.io.folder"

/* core.io.make_folder(path): makes a folder and those it lies in. */
static int make_folder(lua_State *L) {
  if (kl_folder_make(kl_bind_check_text(L, 1, "make_folder: a path")) != KL_OK) {
    return kl_bind_raise(L);
  }
  return 0;
}

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

void kl_bind_open_folder(lua_State *L, int io) {
  static const luaL_Reg functions[] = {{"make_folder", make_folder}, {"list_folder", list_folder}, {NULL, NULL}};
  static const luaL_Reg ends[] = {{"__gc", close_folder}, {NULL, NULL}};
  kl_bind_new_type(L, FOLDER_TYPE, ends, NULL);
  lua_pushvalue(L, io);
  luaL_setfuncs(L, functions, 0);
  lua_pop(L, 1);
}
