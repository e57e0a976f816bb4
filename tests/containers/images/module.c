/* Stands for the modules that redis:8 loads: it has a name, and that is all it has. Without a
 * header of the server's, which Debian does not have; the first word of a context is how the server
 * is asked. */
struct context {
    int (*find)(const char *name, void *out);
};

int RedisModule_OnLoad(struct context *context);

int RedisModule_OnLoad(struct context *context)
{
    void (*set_name)(struct context *, const char *name, int version, int api) = 0;

    if (context->find("RedisModule_SetModuleAttribs", (void *)&set_name) != 0)
        return 1;
    set_name(context, "standin", 1, 1);
    return 0;
}
