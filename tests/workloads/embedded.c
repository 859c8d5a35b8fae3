/* A program of another name that has an interpreter in it: `embedded SCRIPT ARGUMENT...`
 * or `embedded -c TEXT`, as python itself would run them. No header is needed, so it is
 * compiled for any version. */

#include <stdlib.h>
#include <string.h>

extern void Py_InitializeEx(int install_signal_handlers);
extern int PyRun_SimpleString(const char *text);

/* Between the words in the variable that hands them over. */
#define SEPARATOR "\x1f"

static const char RUN[] =
    "import os, sys\n"
    "sys.argv = os.environ.pop('EMBEDDED_ARGUMENTS').split('\\x1f')\n"
    "sys.executable = os.readlink('/proc/self/exe')\n"
    "__file__ = sys.argv[0]\n"
    "sys.path.insert(0, os.path.dirname(__file__))\n"
    "with open(__file__, encoding='utf-8') as file:\n"
    "    text = file.read()\n"
    "exec(compile(text, __file__, 'exec'))\n";

int main(int count, char **words)
{
    size_t length = 1;
    char *joined;
    int at;

    if (count < 2)
        return 2;
    if (count > 2 && strcmp(words[1], "-c") == 0) {
        Py_InitializeEx(1);
        return PyRun_SimpleString(words[2]) ? 1 : 0;
    }
    for (at = 1; at < count; at++)
        length += strlen(words[at]) + 1;
    joined = calloc(length, 1);
    if (joined == NULL)
        return 2;
    for (at = 1; at < count; at++) {
        if (at > 1)
            strcat(joined, SEPARATOR);
        strcat(joined, words[at]);
    }
    setenv("EMBEDDED_ARGUMENTS", joined, 1);
    Py_InitializeEx(1);
    return PyRun_SimpleString(RUN) ? 1 : 0;
}
