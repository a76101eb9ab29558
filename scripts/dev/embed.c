/* Writes Lua files as C strings: embed ROOT FILE... > modules.c.  A build tool; see Makefile and src/bind/modules.h. */
#include <stdio.h>
#include <string.h>

int main(int argc, char **argv) {
  size_t root = argc > 1 ? strlen(argv[1]) + 1 : 0;
  printf("#include \"bind/modules.h\"\n");
  for (int i = 2; i < argc; i++) {
    FILE *f = fopen(argv[i], "rb");
    if (f == NULL) {
      perror(argv[i]);
      return 1;
    }
    printf("static const char text%d[] = {", i);
    int c;
    long n = 0;
    while ((c = fgetc(f)) != EOF) {
      printf(n++ % 24 == 0 ? "\n%d," : "%d,", c > 127 ? c - 256 : c);
    }
    printf("0};\n");
    fclose(f);
  }
  printf("const kl_module kl_modules[] = {\n");
  for (int i = 2; i < argc; i++) {
    char name[256];
    snprintf(name, sizeof name, "%s", argv[i] + root);
    name[strlen(name) - 4] = '\0';
    if (strlen(name) > 5 && strcmp(name + strlen(name) - 5, "/init") == 0) {
      name[strlen(name) - 5] = '\0';
    }
    for (char *p = name; *p != '\0'; p++) {
      *p = *p == '/' ? '.' : *p;
    }
    printf("{\"%s\", \"%s\", text%d, sizeof text%d - 1},\n", name, argv[i] + root, i, i);
  }
  printf("{0}};\n");
  return 0;
}
