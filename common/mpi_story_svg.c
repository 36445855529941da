/* mpi_story_svg.c: the message sequence chart as a picture (SVG 1.1): a vertical line a
   rank, a box on it for each MPI call (shaded where it can wait), messages as arrows,
   collectives as bars. Time runs downwards and is not to scale: what lies between two
   events is as high as it has to be, and the times stand at the left. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "mpi_story_parts.h"

#define CALLS 400 /* the last ones are drawn */
#define TOP 96.0
#define LEFT 120.0
#define COLUMN 260.0
#define STEP 15.0 /* between two events, at least: the height of a line of text */

/* A call of a rank, and whether it is still open. */
struct box {
    int rank;
    bool open;
    const struct mpi_trace_call *call;
};

struct picture {
    FILE *out;
    struct mpi_story *story;
    struct box box[CALLS];
    size_t boxes, left_out, times;
    uint64_t time[2 * CALLS + 1]; /* of the events, sorted, each once */
    double y[2 * CALLS + 1];
};

/* ---- what is drawn ---- */

static int compare_boxes(const void *a, const void *b)
{
    const struct box *x = a, *y = b;
    return (x->call->begin > y->call->begin) - (x->call->begin < y->call->begin);
}

static int compare_times(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

/* A record of a completion is not a call, and a call that never began is damage. */
static bool is_drawn(const struct mpi_trace_call *call, int mark)
{
    return mark_matches(mark, call->mark) && !(call->flags & MPI_TRACE_COMPLETED) && call->begin > 0;
}

static void collect(struct picture *p, int mark)
{
    size_t room = 1, count = 0;
    for (int r = 0; r < p->story->ranks; r++)
        room += p->story->rank[r].count + 1;
    struct box *all = calloc(room, sizeof *all);
    if (!all)
        abort();
    for (int r = 0; r < p->story->ranks; r++) {
        const struct mpi_story_rank *rank = &p->story->rank[r];
        for (size_t i = 0; i < rank->count; i++)
            if (is_drawn(&rank->calls[i], mark))
                all[count++] = (struct box){.rank = r, .call = &rank->calls[i]};
        if (rank->in_call && is_drawn(&rank->current, mark))
            all[count++] = (struct box){.rank = r, .call = &rank->current, .open = true};
    }
    qsort(all, count, sizeof *all, compare_boxes);
    p->left_out = count > CALLS ? count - CALLS : 0;
    p->boxes = count - p->left_out;
    memcpy(p->box, all + p->left_out, p->boxes * sizeof *all);
    free(all);
}

/* Gives every event a height: the longer since the one before, the further below it, within limits. */
static void lay_out(struct picture *p)
{
    size_t count = 0;
    for (size_t i = 0; i < p->boxes; i++) {
        p->time[count++] = p->box[i].call->begin;
        if (!p->box[i].open && p->box[i].call->end > p->box[i].call->begin)
            p->time[count++] = p->box[i].call->end;
    }
    qsort(p->time, count, sizeof *p->time, compare_times);
    for (size_t i = 0; i < count; i++) {
        if (i > 0 && p->time[i] == p->time[i - 1])
            continue;
        double gap = p->times > 0 ? (double)(p->time[i] - p->time[p->times - 1]) / 1e6 : 0;
        p->y[p->times] = p->times > 0 ? p->y[p->times - 1] + STEP + fmin(30, 6 * log1p(gap)) : TOP + STEP;
        p->time[p->times++] = p->time[i];
    }
}

static double bottom_of(const struct picture *p)
{
    return p->y[p->times - 1] + 2 * STEP;
}

static double y_of(const struct picture *p, uint64_t time)
{
    size_t i = 0;
    while (i + 1 < p->times && p->time[i] < time)
        i++;
    return p->y[i];
}

static double x_of(int rank)
{
    return LEFT + COLUMN * rank;
}

static double end_of(const struct picture *p, const struct box *b)
{
    return b->open ? bottom_of(p) : y_of(p, b->call->end);
}

/* ---- how it is drawn ---- */

/* Names of files are what a student called them. */
static void put_text(FILE *out, const char *text)
{
    for (; *text; text++)
        if (*text == '<' || *text == '>' || *text == '&' || (unsigned char)*text < ' ')
            fprintf(out, "&#%d;", (unsigned char)*text < ' ' ? '?' : *text);
        else
            fputc(*text, out);
}

static void draw_frame(struct picture *p)
{
    double width = LEFT + COLUMN * p->story->ranks, height = bottom_of(p) + 2 * STEP;
    fprintf(p->out,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%.0f\" height=\"%.0f\" viewBox=\"0 0 %.0f %.0f\" "
            "font-family=\"sans-serif\" font-size=\"11\">\n"
            "<style>.halo{paint-order:stroke;stroke:#fff;stroke-width:3px;stroke-linejoin:round}</style>\n"
            "<defs><marker id=\"tip\" markerWidth=\"9\" markerHeight=\"8\" refX=\"8\" refY=\"4\" orient=\"auto\">"
            "<path d=\"M0,0 L9,4 L0,8 z\" fill=\"#1f4e9c\"/></marker></defs>\n"
            "<rect width=\"100%%\" height=\"100%%\" fill=\"#fff\"/>\n",
            width, height, width, height);
    fprintf(p->out, "<rect x=\"20\" y=\"14\" width=\"10\" height=\"14\" fill=\"#f6c28b\" stroke=\"#a65e00\"/>"
                    "<text x=\"36\" y=\"25\">in a call that can wait</text>\n"
                    "<rect x=\"180\" y=\"14\" width=\"10\" height=\"14\" fill=\"#fff\" stroke=\"#555\"/>"
                    "<text x=\"196\" y=\"25\">in another MPI call</text>\n"
                    "<path d=\"M320,21 H350\" stroke=\"#1f4e9c\" marker-end=\"url(#tip)\"/>"
                    "<text x=\"358\" y=\"25\">message</text>\n"
                    "<rect x=\"430\" y=\"17\" width=\"30\" height=\"7\" fill=\"#2e7d32\"/>"
                    "<text x=\"466\" y=\"25\">collective call</text>\n"
                    "<text x=\"20\" y=\"48\" fill=\"#555\">Time runs downwards, not to scale.</text>\n");
    if (p->left_out > 0)
        fprintf(p->out,
                "<text x=\"240\" y=\"48\" fill=\"#555\">The last %d calls; %zu before them are left out.</text>\n",
                CALLS, p->left_out);
    for (int r = 0; r < p->story->ranks; r++)
        fprintf(p->out,
                "<text x=\"%.0f\" y=\"%.0f\" text-anchor=\"middle\" font-weight=\"bold\">rank %d</text>"
                "<path d=\"M%.0f,%.0f V%.0f\" stroke=\"#999\"/>\n",
                x_of(r), TOP - 18, r, x_of(r), TOP - 10, bottom_of(p));
}

static void draw_times(struct picture *p)
{
    for (size_t i = 0; i < p->times; i += 2)
        fprintf(p->out,
                "<text x=\"%.0f\" y=\"%.1f\" text-anchor=\"end\" fill=\"#777\" font-size=\"10\">%.3f ms</text>\n",
                LEFT - 24, p->y[i] + 4, (double)(p->time[i] - p->time[0]) / 1e6);
}

static void draw_box(struct picture *p, const struct box *b)
{
    double top = y_of(p, b->call->begin), end = fmax(end_of(p, b), top + 4);
    bool waits = b->call->flags & MPI_TRACE_BLOCKING;
    fprintf(p->out, "<rect x=\"%.1f\" y=\"%.1f\" width=\"10\" height=\"%.1f\" fill=\"%s\" stroke=\"%s\"%s/>\n",
            x_of(b->rank) - 5, top, end - top, waits ? "#f6c28b" : "#fff",
            b->open ? "#c00"
            : waits ? "#a65e00"
                    : "#555",
            b->open ? " stroke-width=\"2\" stroke-dasharray=\"4 2\"" : "");
}

/* The call's name and line beside its box. */
static void label_box(struct picture *p, const struct box *b)
{
    char *line = NULL;
    size_t size;
    FILE *words = open_memstream(&line, &size);
    if (!words)
        abort();
    fputs(mpi_story_name(b->call->function), words);
    say_site(words, p->story, b->call->site);
    if (b->open)
        fputs(", never left", words);
    fclose(words);
    fprintf(p->out, "<text class=\"halo\" x=\"%.1f\" y=\"%.1f\"%s>", x_of(b->rank) + 9, y_of(p, b->call->begin) + 8,
            b->open ? " fill=\"#c00\"" : "");
    put_text(p->out, line);
    fputs("</text>\n", p->out);
    free(line);
}

/* ---- messages and collectives ---- */

static bool is_shown(const struct picture *p, const struct mpi_trace_call *call)
{
    for (size_t i = 0; i < p->boxes; i++)
        if (p->box[i].call == call)
            return true;
    return false;
}

/* When the receiver had it: at the end of its receive, or of the wait for that. */
static uint64_t arrival(const struct message *m)
{
    return m->taken->end > m->call->begin ? m->taken->end : m->call->begin;
}

static void draw_message(struct picture *p, const struct message *m)
{
    double x0 = x_of(m->source), x1 = x_of(m->dest), y0 = y_of(p, m->call->begin);
    double y1 = m->received ? fmin(y_of(p, arrival(m)), bottom_of(p)) : y0 + STEP;
    double way = x1 > x0 ? 1 : -1, start = x0 + 5 * way, end = m->received ? x1 - 5 * way : x0 + 60 * way;
    char tag[32], said[80];
    snprintf(said, sizeof said, "%stag %s", m->received ? "" : "not received, ", tag_text(m->tag, tag));
    if (m->source == m->dest) {
        fprintf(p->out, "<path d=\"M%.1f,%.1f c-34,0 -34,%.1f -2,%.1f\" fill=\"none\" stroke=\"#1f4e9c\" %s/>\n",
                x0 - 5, y0, fmax(y1 - y0, 10), fmax(y1 - y0, 10),
                m->received ? "marker-end=\"url(#tip)\"" : "stroke-dasharray=\"3 3\"");
        fprintf(p->out,
                "<text class=\"halo\" x=\"%.1f\" y=\"%.1f\" text-anchor=\"end\" fill=\"#1f4e9c\" "
                "font-size=\"10\">%s</text>\n",
                x0 - 32, (y0 + y1) / 2 + 4, said);
        return;
    }
    fprintf(p->out, "<path d=\"M%.1f,%.1f L%.1f,%.1f\" stroke=\"%s\" %s/>\n", start, y0, end, y1,
            m->received ? "#1f4e9c" : "#c00", m->received ? "marker-end=\"url(#tip)\"" : "stroke-dasharray=\"3 3\"");
    /* The words stand at the right of the space between two lines, where no call's name reaches. */
    double x = m->received ? (way > 0 ? x1 : x0) - 12 : fmax(start, end) + (way > 0 ? 80 : -70);
    double y = y0 + (y1 - y0) * fmin(1, fmax(0, (x - 20 - start) / (end - start)));
    fprintf(p->out,
            "<text class=\"halo\" x=\"%.1f\" y=\"%.1f\" text-anchor=\"end\" fill=\"%s\" font-size=\"10\">%s</text>\n",
            x, way > 0 ? y - 4 : y + 11, m->received ? "#1f4e9c" : "#c00", said);
}

/* The bar of the collective that this call is part of: drawn once, with the first of its calls. */
static void draw_collective(struct picture *p, size_t first)
{
    const struct mpi_trace_call *call = p->box[first].call;
    int from = p->box[first].rank, to = from;
    double y = y_of(p, call->begin);
    for (size_t i = 0; i < p->boxes; i++) {
        if (!same_collective(p->box[i].call, call))
            continue;
        if (i < first)
            return;
        from = p->box[i].rank < from ? p->box[i].rank : from;
        to = p->box[i].rank > to ? p->box[i].rank : to;
        y = fmax(y, y_of(p, p->box[i].call->begin));
    }
    fprintf(p->out, "<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"4\" fill=\"#2e7d32\" opacity=\"0.75\"/>\n",
            x_of(from) - 8, y - 7, x_of(to) - x_of(from) + 16);
}

char *mpi_story_svg(struct mpi_story *story, int mark)
{
    char *words = NULL;
    size_t size;
    struct picture *p = calloc(1, sizeof *p);
    if (!p)
        abort();
    p->story = story;
    collect(p, mark);
    if (p->boxes > 0) {
        p->out = open_memstream(&words, &size);
        if (!p->out)
            abort();
        lay_out(p);
        draw_frame(p);
        draw_times(p);
        for (size_t i = 0; i < p->boxes; i++)
            draw_box(p, &p->box[i]);
        for (size_t i = 0; i < p->boxes; i++)
            if (p->box[i].call->sequence > 0)
                draw_collective(p, i);
        struct messages m = messages_of(story);
        for (size_t i = 0; i < m.count; i++)
            if (is_shown(p, m.list[i].call))
                draw_message(p, &m.list[i]);
        free(m.list);
        for (size_t i = 0; i < p->boxes; i++)
            label_box(p, &p->box[i]);
        fputs("</svg>\n", p->out);
        fclose(p->out);
    }
    free(p);
    return words;
}
