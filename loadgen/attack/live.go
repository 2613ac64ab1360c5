package attack

import (
	"fmt"
	"io"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"trent/loadgen/engine"
	"trent/loadgen/measure"
)

// live is the view on a terminal: a few lines that are redrawn. It reads no keys, so that Ctrl-C stays a signal. It owns the
// program's goroutines from startLive to stop.
type live struct {
	program *tea.Program
	done    chan struct{}
}

// liveFrames a second are enough for figures that come once a second, and cost the client next to nothing.
const liveFrames = 5

func startLive(out io.Writer) *live {
	l := &live{done: make(chan struct{}),
		program: tea.NewProgram(Live{}, tea.WithInput(nil), tea.WithOutput(out), tea.WithoutSignalHandler(), tea.WithFPS(liveFrames))}
	go func() {
		defer close(l.done)
		_, _ = l.program.Run() // a view that fails leaves a run without a view
	}()
	return l
}

// send gives up where the program has ended.
func (l *live) send(m tea.Msg) {
	select {
	case <-l.done:
	default:
		l.program.Send(m)
	}
}

// stop clears the view and waits for the program's end.
func (l *live) stop() {
	l.send(LiveEnd{})
	<-l.done
}

// What the view is told.
type (
	// LivePhase is what happens now.
	LivePhase string
	// LivePrefix stands before the phase, for example the number of a step.
	LivePrefix string
	// LiveProgress is the state of a run that lasts Length.
	LiveProgress struct {
		Length time.Duration
		engine.Progress
	}
	// LiveEnd clears the view.
	LiveEnd struct{}
)

// Live is the model of the view: what it is told, and a minute of history. It is pure.
type Live struct {
	width         int // of the terminal; 0 until it is known
	phase, prefix string
	running       bool // progress has come since the phase
	length        time.Duration
	now, before   engine.Progress
	rates         []float64 // good answers a second
	tails         []float64 // p99, ms
	ended         bool
}

const liveHistory = 60 // of the charts, in progress messages

// Init starts nothing.
func (m Live) Init() tea.Cmd { return nil }

// Update takes a message.
func (m Live) Update(message tea.Msg) (tea.Model, tea.Cmd) {
	switch v := message.(type) {
	case tea.WindowSizeMsg:
		m.width = v.Width
	case LivePhase:
		m.phase, m.running = string(v), false
	case LivePrefix:
		m.prefix = string(v)
	case LiveProgress:
		return m.progress(v), nil
	case LiveEnd:
		m.ended = true
		return m, tea.Quit
	}
	return m, nil
}

func (m Live) progress(v LiveProgress) Live {
	if !m.running || v.Elapsed < m.now.Elapsed { // a new run
		m.now, m.rates, m.tails = engine.Progress{}, nil, nil
	}
	if v.Elapsed <= m.now.Elapsed {
		return m
	}
	m.before, m.now, m.length, m.running = m.now, v.Progress, v.Length, true
	m.rates = recent(m.rates, m.per(v.Outcomes[measure.OK], m.before.Outcomes[measure.OK]))
	m.tails = recent(m.tails, float64(v.P99)/float64(time.Millisecond))
	return m
}

func recent(history []float64, v float64) []float64 {
	all := append(history[:len(history):len(history)], v)
	return all[max(len(all)-liveHistory, 0):]
}

// per is a count's rate since the message before.
func (m Live) per(now, then uint64) float64 {
	elapsed := (m.now.Elapsed - m.before.Elapsed).Seconds()
	if elapsed <= 0 {
		return 0
	}
	return float64(now-min(then, now)) / elapsed
}

// View draws it.
func (m Live) View() tea.View {
	if m.ended {
		return tea.NewView("")
	}
	lines := []string{bold(m.prefix + m.phase)}
	if m.running {
		lines = append(lines, m.bar(), m.figures(), m.troubles(), m.charts())
	}
	width := m.columns()
	for i, line := range lines {
		lines[i] = cut(line, width)
	}
	return tea.NewView(strings.Join(lines, "\n"))
}

func (m Live) columns() int {
	if m.width <= 0 {
		return 80
	}
	return m.width
}

func (m Live) bar() string {
	share := 1.0
	if m.length > 0 {
		share = min(m.now.Elapsed.Seconds()/m.length.Seconds(), 1)
	}
	cells := min(max(m.columns()-30, 10), 60)
	full := int(share * float64(cells))
	left := max(m.length-m.now.Elapsed, 0).Round(time.Second)
	state := fmt.Sprintf("%v left", left)
	if left == 0 {
		state = "waiting for the last answers"
	}
	return strings.Repeat("█", full) + faint(strings.Repeat("░", cells-full)) + fmt.Sprintf(" %3.0f %%  %s", share*100, state)
}

func (m Live) figures() string {
	return fmt.Sprintf("due %.0f/s   ok %.0f/s   p50 %s   p99 %s   max %s", m.per(m.now.Due, m.before.Due),
		m.per(m.now.Outcomes[measure.OK], m.before.Outcomes[measure.OK]), short(m.now.P50), short(m.now.P99), short(m.now.Max))
}

// troubles names what was not answered well, by kind.
func (m Live) troubles() string {
	var parts []string
	for o := measure.Throttled; o < measure.NumOutcomes; o++ {
		if n := m.now.Outcomes[o]; n > 0 {
			parts = append(parts, fmt.Sprintf("%s %d", o, n))
		}
	}
	if len(parts) == 0 {
		return faint(fmt.Sprintf("%d answered, none failed", m.now.Outcomes[measure.OK]))
	}
	return red(strings.Join(parts, "   ")) + faint(fmt.Sprintf("   of %d", m.now.Done))
}

func (m Live) charts() string {
	return faint("ok/s ") + sparkline(m.rates) + faint("  p99 ") + sparkline(m.tails)
}

// sparkline draws up to 30 of the latest values from 0 to the highest.
func sparkline(values []float64) string {
	values = values[max(len(values)-30, 0):]
	top := 0.0
	for _, v := range values {
		top = max(top, v)
	}
	var out strings.Builder
	for _, v := range values {
		level := 0
		if top > 0 {
			level = min(int(v/top*7+0.5), 7)
		}
		out.WriteRune([]rune("▁▂▃▄▅▆▇█")[level])
	}
	return out.String()
}

func bold(s string) string  { return "\x1b[1m" + s + "\x1b[0m" }
func faint(s string) string { return "\x1b[2m" + s + "\x1b[0m" }
func red(s string) string   { return "\x1b[31m" + s + "\x1b[0m" }

// cut shortens a line to a width without breaking the colours: sequences take no room and are all kept.
func cut(line string, width int) string {
	var out strings.Builder
	room, inside := width, false
	for _, c := range line {
		switch {
		case c == '\x1b':
			inside = true
		case inside:
			inside = c != 'm'
		case room == 0:
			continue
		default:
			room--
		}
		out.WriteRune(c)
	}
	return out.String()
}
