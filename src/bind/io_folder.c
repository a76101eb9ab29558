/* core.io.make_folder(path): makes a folder and those it lies in. */
#include "bind/io.h"
#include "io/folder.h"

static int make_folder(lua_State *L) {
  if (kl_folder_make(kl_bind_check_text(L, 1, "make_folder: a path")) != KL_OK) {
    return kl_bind_raise(L);
  }
  return 0;
}

void kl_bind_open_folders(lua_State *L, int io) {
  lua_pushcfunction(L, make_folder);
  lua_setfield(L, io, "make_folder");
}
