#include "control/top_screen.h"
#include "common/core/clock.h"
#include "common/core/mem.h"

/* After ours: it defines short words. */
#define NCURSES_NOMACROS
#include <curses.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define HELP      "q quit  up/down choose  enter all of it  esc back  s sort  d interval"
#define KEY_ESC   27
#define CTRL_L    12 /* draws anew what another program has written over */
#define EMPTY_MAX 3 /* times that a terminal is readable and has no key: it is gone */

static const uint64_t intervals_ms[] = {500, 1000, 2000, 5000, 10000};
#define INTERVALS (sizeof(intervals_ms) / sizeof(intervals_ms[0]))

struct top_screen {
    struct loop *loop;
    struct top_poll *poll;
    struct top_look look;
    uint64_t interval_ms;
    SCREEN *terminal;
    struct top_page page;
    unsigned scrolled; /* lines of the page above the first that is shown */
    unsigned empty;
    struct loop_io io;
    struct loop_signal resized;
};

/* --- drawing ------------------------------------------------------------------------------- */

static chtype
look_of(enum top_tone tone)
{
    switch (tone) {
    case TOP_PLAIN: break;
    case TOP_TITLE: return A_BOLD;
    case TOP_HEADING: return A_REVERSE;
    case TOP_TROUBLE: return A_BOLD | (has_colors() ? COLOR_PAIR(1) : 0);
    }
    return A_NORMAL;
}

static void
draw_line(const struct top_line *line, int y, bool chosen)
{
    int width = getmaxx(stdscr);
    attrset((attr_t)(look_of(line->tone) | (chosen ? A_STANDOUT : 0)));
    mvaddnstr(y, 0, line->text, width);
    if (chosen || line->tone == TOP_HEADING) {
        for (int x = (int)strlen(line->text); x < width; x++) {
            mvaddch(y, x, ' ');
        }
    }
    attrset(A_NORMAL);
}

/* So that the chosen line is seen, and no room is left at the end. */
static void
scroll_to(struct top_screen *s, unsigned room)
{
    const struct top_page *page = &s->page;
    unsigned body = page->count - page->fixed;
    unsigned at = page->chosen > 0 ? page->chosen - page->fixed : s->scrolled;
    if (at < s->scrolled || room == 0) {
        s->scrolled = at;
    } else if (at >= s->scrolled + room) {
        s->scrolled = at - room + 1;
    }
    if (s->scrolled + room > body) {
        s->scrolled = body > room ? body - room : 0;
    }
}

static void
draw_page(struct top_screen *s)
{
    const struct top_page *page = &s->page;
    int height = getmaxy(stdscr);
    unsigned lines = height > 1 ? (unsigned)height - 1 : 0; /* the last one is help */
    unsigned fixed = page->fixed < lines ? page->fixed : lines;
    scroll_to(s, lines - fixed);
    erase();
    for (unsigned y = 0; y < lines; y++) {
        unsigned i = y < fixed ? y : y + s->scrolled;
        if (i < page->count) {
            draw_line(&page->lines[i], (int)y, page->chosen > 0 && i == page->chosen);
        }
    }
    char help[TOP_LINE_MAX];
    snprintf(help, sizeof(help), "%s (%s, every %.1f s)", HELP, top_sort_name(s->look.sort),
             (double)s->interval_ms / 1000);
    mvaddnstr(height - 1, 0, help, getmaxx(stdscr) - 1);
    refresh();
}

void
top_screen_draw(struct top_screen *s)
{
    s->look.wall_ms = clock_wall_ms();
    top_view(top_poll_fleet(s->poll), &s->look, &s->page);
    draw_page(s);
}

/* --- keys ------------------------------------------------------------------------------------ */

static void
step_interval(struct top_screen *s)
{
    size_t i = 0;
    while (i < INTERVALS && intervals_ms[i] <= s->interval_ms) {
        i++;
    }
    s->interval_ms = intervals_ms[i % INTERVALS];
    top_poll_interval(s->poll, s->interval_ms);
}

static void
move_by(struct top_screen *s, int lines)
{
    unsigned *at = s->look.server != NULL ? &s->scrolled : &s->look.chosen;
    *at = lines < 0 && *at < (unsigned)-lines ? 0 : *at + (unsigned)lines;
}

static void
show_chosen(struct top_screen *s)
{
    const struct top_fleet *fleet = top_poll_fleet(s->poll);
    if (s->look.server == NULL && s->look.chosen < fleet->count) {
        const struct top_server **sorted = top_sorted(fleet, s->look.sort);
        s->look.server = sorted[s->look.chosen];
        free(sorted);
        s->scrolled = 0;
    }
}

/* A single server has no table to go back to. */
static void
show_all(struct top_screen *s)
{
    if (top_poll_fleet(s->poll)->count > 1) {
        s->look.server = NULL;
        s->scrolled = 0;
    }
}

static void
take_key(struct top_screen *s, int key)
{
    int page = getmaxy(stdscr) / 2 + 1;
    switch (key) {
    case 'q':
    case 'Q': loop_stop(s->loop); break;
    case 's': s->look.sort = (enum top_sort)((s->look.sort + 1) % TOP_SORT_COUNT); break;
    case 'd': step_interval(s); break;
    case CTRL_L: clearok(stdscr, true); break;
    case KEY_UP:
    case 'k': move_by(s, -1); break;
    case KEY_DOWN:
    case 'j': move_by(s, 1); break;
    case KEY_PPAGE: move_by(s, -page); break;
    case KEY_NPAGE: move_by(s, page); break;
    case KEY_RIGHT:
    case KEY_ENTER:
    case '\r':
    case '\n': show_chosen(s); break;
    case KEY_LEFT:
    case KEY_BACKSPACE:
    case KEY_ESC: show_all(s); break;
    default: break;
    }
}

static void
on_keys(void *arg, int ready)
{
    struct top_screen *s = arg;
    int key, keys = 0;
    while ((key = getch()) != ERR) {
        take_key(s, key);
        keys++;
    }
    s->empty = keys > 0 ? 0 : s->empty + 1;
    if (s->empty == EMPTY_MAX) {
        loop_stop(s->loop);
        return;
    }
    top_screen_draw(s);
}

static void
on_resized(void *arg)
{
    struct winsize size;
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_row > 0 && size.ws_col > 0) {
        resizeterm(size.ws_row, size.ws_col);
    }
    clearok(stdscr, true);
    top_screen_draw(arg);
}

/* --- begin and end ------------------------------------------------------------------------------
 */

static void
take_terminal(void)
{
    cbreak();
    noecho();
    nonl();
    keypad(stdscr, true);
    nodelay(stdscr, true);
    set_escdelay(25);
    curs_set(0);
    if (has_colors()) {
        start_color();
        use_default_colors();
        init_pair(1, COLOR_RED, -1);
    }
}

struct top_screen *
top_screen_create(struct loop *loop, struct top_poll *poll, const struct top_look *look,
                  uint64_t interval_ms, const char **error)
{
    SCREEN *terminal = newterm(NULL, stdout, stdin);
    if (terminal == NULL) {
        *error = "this terminal is not known (TERM)";
        return NULL;
    }
    struct top_screen *s = mem_zalloc(sizeof(*s));
    s->loop = loop;
    s->poll = poll;
    s->look = *look;
    s->interval_ms = interval_ms;
    s->terminal = terminal;
    take_terminal();
    loop_io_init(&s->io, loop, STDIN_FILENO, on_keys, s);
    loop_io_want(&s->io, LOOP_READ);
    loop_signal_init(&s->resized, loop, SIGWINCH, on_resized, s);
    if (top_poll_fleet(poll)->count == 1) {
        s->look.server = top_poll_fleet(poll)->servers[0];
    }
    top_screen_draw(s);
    return s;
}

void
top_screen_destroy(struct top_screen **screen)
{
    struct top_screen *s = *screen;
    if (s == NULL) {
        return;
    }
    *screen = NULL;
    loop_signal_deinit(&s->resized);
    loop_io_deinit(&s->io);
    endwin();
    delscreen(s->terminal);
    top_page_deinit(&s->page);
    free(s);
}
