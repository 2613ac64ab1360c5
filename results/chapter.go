package results

import (
	"fmt"
	"io"
)

// chapter is what a kind of run adds to a report, shown alike in a terminal and on the page.
type chapter struct {
	Headline string // replaces the report's; "" leaves it
	Lede     string // replaces the sentence below it; "" leaves it
	Tiles    []tile // before the report's own; on the page only
	Sections []section
	Late     []section // shown after the report's own tables: what explains rather than answers
}

// section is a table and charts under a title.
type section struct {
	Title, Text string
	Rows        [][]string // the first is the header; fewer than two: no table
	Align       string     // l or r for each column
	Figures     []figure   // on the page only
}

// Right tells the page whether a column is aligned to the right.
func (s section) Right(column int) bool { return column < len(s.Align) && s.Align[column] == 'r' }

// Head is the header of the table, Body the rows below it; nil without a table.
func (s section) Head() []string {
	if len(s.Rows) < 2 {
		return nil
	}
	return s.Rows[0]
}

// Body is described at Head.
func (s section) Body() [][]string {
	if len(s.Rows) < 2 {
		return nil
	}
	return s.Rows[1:]
}

// chapters are those that the record has.
func chapters(r *Record) []chapter {
	var out []chapter
	for _, of := range []func(*Record) (chapter, bool){capacityChapter, quotaChapter, comparisonChapter, soakChapter, replayChapter, planChapter, agentsChapter,
		attributionChapter, closedLoopChapter, connectionsChapter, sdkChapter, processChapter, metricsChapter} {
		if c, ok := of(r); ok {
			out = append(out, c)
		}
	}
	return out
}

// titleOf is the first headline that a chapter gives, "" if none does.
func titleOf(all []chapter) string {
	for _, c := range all {
		if c.Headline != "" {
			return c.Headline
		}
	}
	return ""
}

func renderChapters(out io.Writer, all []chapter) {
	for _, c := range all {
		if c.Lede != "" {
			fmt.Fprintf(out, "%s\n\n", c.Lede)
		}
		renderSections(out, c.Sections)
	}
}

func renderSections(out io.Writer, all []section) {
	for _, s := range all {
		if s.Title != "" {
			fmt.Fprintln(out, s.Title)
		}
		if s.Text != "" {
			fmt.Fprintln(out, s.Text)
		}
		if len(s.Rows) > 1 {
			table(out, s.Rows, s.Align)
		} else if s.Text != "" {
			fmt.Fprintln(out)
		}
	}
}

// late are the sections of all chapters that come after the report's own tables.
func late(all []chapter) (sections []section) {
	for _, c := range all {
		sections = append(sections, c.Late...)
	}
	return sections
}
