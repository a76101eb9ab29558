/* Listing what is in a file: the children of a group, and all datasets by walking the groups. */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "io/h5_internal.h"

static kl_status append(kl_h5_list *list, const kl_h5_item *item) {
  KL_TRY(kl_buffer_append(&list->block, item, sizeof *item));
  list->items = (kl_h5_item *)(void *)list->block.data;
  list->count++;
  return KL_OK;
}

void kl_h5_list_release(kl_h5_list *list) {
  for (size_t i = 0; i < list->count; i++) {
    kl_h5_free_path(list->items[i].path);
    kl_h5_free_path(list->items[i].problem);
  }
  kl_buffer_release(&list->block);
  *list = (kl_h5_list){0};
}

static int compare(const void *a, const void *b) {
  return strcmp(((const kl_h5_item *)a)->path, ((const kl_h5_item *)b)->path);
}

static void sort(kl_h5_list *list) {
  if (list->count > 1) {
    qsort(list->items, list->count, sizeof *list->items, compare);
  }
}

typedef struct collection {
  const kl_h5_file *f;
  const char *path;
  kl_h5_list *list;
  kl_status status;
} collection;

static kl_status add_child(collection *c, const char *name) {
  size_t size = strnlen(name, KL_H5_MAX_NAME + 1);
  const char *problem = kl_h5_name_problem(name, size);
  if (problem != NULL) {
    return kl_fail(KL_EIO, "%s: %.300s: a name in this group %s", c->f->name, c->path, problem);
  }
  if (c->list->count == KL_H5_MAX_OBJECTS) {
    return kl_fail(KL_EIO, "%s: %.300s: at most %d names in a group expected, found more", c->f->name, c->path,
                   KL_H5_MAX_OBJECTS);
  }
  kl_h5_item item = {.path = kl_h5_new_text(name, size)};
  kl_status status = item.path == NULL ? KL_ENOMEM : append(c->list, &item);
  if (status != KL_OK) {
    kl_h5_free_path(item.path);
  }
  return status;
}

static herr_t collect(hid_t group, const char *name, const H5L_info_t *info, void *data) {
  collection *c = data;
  (void)group;
  (void)info;
  c->status = add_child(c, name);
  return c->status == KL_OK ? 0 : -1;
}

/* The names in an open group, sorted. */
static kl_status list_names(const kl_h5_file *f, hid_t group, const char *path, kl_h5_list *out) {
  collection c = {f, path, out, KL_OK};
  if (H5Literate(group, H5_INDEX_NAME, H5_ITER_NATIVE, NULL, collect, &c) < 0 && c.status == KL_OK) {
    c.status = kl_h5_fail(f->name, path);
  }
  sort(out);
  return c.status;
}

kl_status kl_h5_list_children(kl_h5_file *f, const char *path, kl_h5_list *out) {
  char *checked;
  hid_t id = -1;
  kl_h5_kind kind;
  *out = (kl_h5_list){0};
  KL_TRY(kl_h5_enter());
  KL_TRY(kl_h5_new_path(f->name, path, &checked));
  kl_status status = kl_h5_open_path(f, checked, &id, &kind);
  if (status == KL_OK && kind != KL_H5_GROUP) {
    status = kl_fail(KL_EIO, "%s: %.300s: a group expected, found %s", f->name, checked,
                     kind == KL_H5_DATASET ? "a dataset" : "nothing there");
  }
  if (status == KL_OK) {
    status = list_names(f, id, checked, out);
  }
  if (id >= 0) {
    H5Oclose(id);
  }
  kl_h5_free_path(checked);
  if (status != KL_OK) {
    kl_h5_list_release(out);
  }
  return status;
}

/* A walk over all groups.  Hard links may form a ring: depth and number of objects end it. */
typedef struct walk {
  kl_h5_file *f;
  kl_h5_list *list;
  size_t objects;
} walk;

static kl_status visit_group(walk *w, hid_t group, const char *path, int depth);

/* `path` is taken over. */
static kl_status visit_dataset(walk *w, hid_t id, char *path) {
  kl_h5_dataset d = {.id = id};
  kl_h5_item item = {.path = path};
  kl_status status = kl_h5_check_dataset(w->f, path, &d);
  if (status == KL_OK) {
    item.dtype = kl_element_dtype(d.element);
    item.shape = d.shape;
  } else if (status != KL_ENOMEM) {
    const char *message = kl_error_message();
    item.problem = kl_h5_new_text(message, strlen(message));
    status = item.problem == NULL ? KL_ENOMEM : KL_OK;
  }
  if (status == KL_OK) {
    status = append(w->list, &item);
  }
  if (status != KL_OK) {
    kl_h5_free_path(item.path);
    kl_h5_free_path(item.problem);
  }
  return status;
}

static kl_status visit_child(walk *w, hid_t group, const char *parent, const char *name, int depth) {
  size_t size = strlen(parent) + (parent[1] != '\0');
  size_t total = size + strlen(name);
  if (depth == KL_H5_MAX_DEPTH) {
    return kl_fail(KL_EIO, "%s: %.300s: at most %d names deep expected, found more", w->f->name, parent,
                   KL_H5_MAX_DEPTH);
  }
  if (++w->objects > KL_H5_MAX_OBJECTS) {
    return kl_fail(KL_EIO, "%s: at most %d groups and datasets expected, found more", w->f->name, KL_H5_MAX_OBJECTS);
  }
  char *path = kl_alloc(total + 1);
  if (path == NULL) {
    return KL_ENOMEM;
  }
  memcpy(path, parent, size);
  path[size - 1] = '/';
  memcpy(path + size, name, total - size + 1);
  hid_t id = -1;
  kl_h5_kind kind;
  kl_status status = kl_h5_open_link(w->f, group, name, path, &id, &kind);
  if (status == KL_OK && kind == KL_H5_DATASET) {
    status = visit_dataset(w, id, path);
    path = NULL;
  } else if (status == KL_OK && kind == KL_H5_GROUP) {
    status = visit_group(w, id, path, depth + 1);
  } else if (status == KL_OK) {
    status = kl_fail(KL_EIO, "%s: %.300s: listed by its group, and not found in it", w->f->name, path);
  }
  if (id >= 0) {
    H5Oclose(id);
  }
  kl_h5_free_path(path);
  return status;
}

static kl_status visit_group(walk *w, hid_t group, const char *path, int depth) {
  kl_h5_list names = {0};
  kl_status status = list_names(w->f, group, path, &names);
  for (size_t i = 0; i < names.count && status == KL_OK; i++) {
    status = visit_child(w, group, path, names.items[i].path, depth);
  }
  kl_h5_list_release(&names);
  return status;
}

kl_status kl_h5_list_datasets(kl_h5_file *f, kl_h5_list *out) {
  *out = (kl_h5_list){0};
  KL_TRY(kl_h5_enter());
  walk w = {.f = f, .list = out};
  hid_t root;
  kl_h5_kind kind;
  KL_TRY(kl_h5_open_path(f, "/", &root, &kind));
  kl_status status = visit_group(&w, root, "/", 0);
  H5Oclose(root);
  sort(out);
  if (status != KL_OK) {
    kl_h5_list_release(out);
  }
  return status;
}
