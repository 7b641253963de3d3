/*
 * A PAM module that asks a user a series of questions.
 *
 * The questions of USER stand in the file argv[0]/USER, one a line:
 *
 *   info:TEXT            text is shown
 *   on:PROMPT=ANSWER     a question whose answer may be seen
 *   off:PROMPT=ANSWER    a question whose answer may not
 *
 * Each line is a conversation of its own, which makes it a round of its own in
 * keyboard-interactive.  A user without a file is none of this module's.
 */
#define _GNU_SOURCE
#include <security/pam_modules.h>
#include <security/pam_ext.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int ask(pam_handle_t *pamh, const char *kind, char *text)
{
    char *expected = strrchr(text, '='), *given = NULL;
    int style = strcmp(kind, "on") ? PAM_PROMPT_ECHO_OFF : PAM_PROMPT_ECHO_ON;
    int right;

    if (!expected)
        return PAM_SERVICE_ERR;
    *expected++ = '\0';
    if (pam_prompt(pamh, style, &given, "%s", text) != PAM_SUCCESS || !given)
        return PAM_AUTH_ERR;
    right = !strcmp(given, expected);
    free(given);
    return right ? PAM_SUCCESS : PAM_AUTH_ERR;
}

static int one_round(pam_handle_t *pamh, char *line)
{
    char *text = strchr(line, ':');

    line[strcspn(line, "\n")] = '\0';
    if (!text)
        return PAM_SERVICE_ERR;
    *text++ = '\0';
    if (!strcmp(line, "info"))
        return pam_prompt(pamh, PAM_TEXT_INFO, NULL, "%s", text);
    return ask(pamh, line, text);
}

int pam_sm_authenticate(pam_handle_t *pamh, int flags, int argc, const char **argv)
{
    const char *user;
    char path[256], line[256];
    int result = PAM_SUCCESS;
    FILE *rounds;

    if (argc != 1 || pam_get_user(pamh, &user, NULL) != PAM_SUCCESS)
        return PAM_SERVICE_ERR;
    snprintf(path, sizeof path, "%s/%s", argv[0], user);
    if (!(rounds = fopen(path, "r")))
        return PAM_IGNORE;
    while (result == PAM_SUCCESS && fgets(line, sizeof line, rounds))
        result = one_round(pamh, line);
    fclose(rounds);
    return result;
}

int pam_sm_setcred(pam_handle_t *pamh, int flags, int argc, const char **argv)
{
    return PAM_SUCCESS;
}
