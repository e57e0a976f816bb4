/* The old socket goes first, since the new one may want the same port. */
#include "daemon/listener.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"

enum { CONNECTIONS_MAX = 64, REQUEST_MS = 5000 };

static bool is_same(const struct listener *listener, const char *listen, const struct secret *token)
{
    const struct secret none = {0};
    const struct secret *wanted = token != NULL ? token : &none;

    if ((listen == NULL) != (listener->listen == NULL) ||
        (listen == NULL) != (listener->http == NULL))
        return false;
    if (listen == NULL)
        return true;
    return strcmp(listen, listener->listen) == 0 && wanted->len == listener->token.len &&
           (wanted->len == 0 || memcmp(wanted->text, listener->token.text, wanted->len) == 0);
}

static int start(struct listener *listener, struct endpoints *endpoints, struct err *err)
{
    const struct http_options options = {
        .listen = listener->listen,
        .token = &listener->token,
        .connections_max = CONNECTIONS_MAX,
        .request_ms = REQUEST_MS,
        .handle = endpoints_handle,
        .context = endpoints,
    };

    endpoints_allow(endpoints, listener->token.text != NULL);
    if (listener->listen == NULL)
        return 0;
    if (http_new(&options, &listener->http, err) != 0)
        return -1;
    log_info("http://%s answers /livez /readyz /backupz /metrics /status and /",
             http_address(listener->http));
    return 0;
}

int listener_use(struct listener *listener, const char *listen, const struct secret *token,
                 struct endpoints *endpoints, struct err *err)
{
    struct listener wanted = {.listen = listen != NULL ? xstrdup(listen) : NULL};
    struct err again;

    if (is_same(listener, listen, token)) {
        free(wanted.listen);
        return 0;
    }
    if (token != NULL && token->text != NULL)
        secret_copy(&wanted.token, token);
    http_free(TAKE_PTR(listener->http));
    if (start(&wanted, endpoints, err) == 0) {
        listener_release(listener);
        *listener = wanted;
        return 0;
    }
    listener_release(&wanted);
    if (start(listener, endpoints, &again) != 0)
        return err_wrap(err, "nothing is listened at any more, not even at %s", listener->listen);
    return err_wrap(err, "http-listen and http-token stay as they were");
}

void listener_release(struct listener *listener)
{
    http_free(listener->http);
    free(listener->listen);
    secret_release(&listener->token);
    *listener = (struct listener){0};
}
