package results

import (
	"fmt"
	"time"
)

// Process is what the scheduler did with a process tree over one interval, and what it held in memory at its end.
type Process struct {
	Delay       time.Duration `json:"run_delay_ns"` // its threads, ready but waiting for a CPU, added up
	Slices      uint64        `json:"slices"`       // times one of them was put on a CPU
	Voluntary   uint64        `json:"voluntary_switches"`
	Involuntary uint64        `json:"involuntary_switches"`
	Resident    int64         `json:"resident_bytes"`
	Anonymous   int64         `json:"anonymous_bytes"`
}

// Pressure is the share of an interval in which tasks stalled: some of them for a CPU, all of them for memory or I/O.
type Pressure struct {
	CPU    float64 `json:"cpu"`
	Memory float64 `json:"memory"`
	IO     float64 `json:"io"`
}

// processChapter shows client and server side by side: CPU, waits for a CPU, switches, memory.
func processChapter(r *Record) (chapter, bool) {
	var wall time.Duration
	var client, server Process
	var clientCPU, serverCPU, pause time.Duration
	var cycles uint64
	var stalled, own Pressure
	hasServer, hasOwn := false, false
	for _, s := range r.Machine {
		wall += s.Wall
		clientCPU, serverCPU = clientCPU+s.ClientCPU, serverCPU+s.ServerCPU
		client.add(s.Client)
		cycles, pause = cycles+s.GCCycles, pause+s.GCPause
		stalled.add(s.System, s.Wall)
		if s.Server != nil {
			server.add(*s.Server)
			hasServer = true
		}
		if s.Own != nil {
			own.add(*s.Own, s.Wall)
			hasOwn = true
		}
	}
	if wall <= 0 || client.Slices == 0 {
		return chapter{}, false
	}
	rows := [][]string{{"process tree", "CPUs used", "wait for a CPU, mean", "waited/s", "preempted/s", "memory, peak", "anonymous"}}
	row := func(name string, cpu time.Duration, p Process) []string {
		perSecond := func(n uint64) string { return formatRate(float64(n) / wall.Seconds()) }
		delay := "–"
		if p.Slices > 0 {
			delay = formatDuration(p.Delay / time.Duration(p.Slices))
		}
		return []string{name, fmt.Sprintf("%.2f", cpu.Seconds()/wall.Seconds()), delay, perSecond(p.Voluntary), perSecond(p.Involuntary),
			formatBytes(p.Resident), formatBytes(p.Anonymous)}
	}
	rows = append(rows, row("client", clientCPU, client))
	if hasServer {
		rows = append(rows, row("server", serverCPU, server))
	}
	pressure := func(p Pressure) string {
		return fmt.Sprintf("CPU %s, memory %s, I/O %s", formatShare(p.CPU/wall.Seconds()), formatShare(p.Memory/wall.Seconds()), formatShare(p.IO/wall.Seconds()))
	}
	text := fmt.Sprintf("Over the whole run, children included. The client's collector ran %d times and stopped it for %s in all. Stalls of the machine: %s",
		cycles, formatDuration(pause), pressure(stalled))
	if hasOwn {
		text += "; of the client's control group: " + pressure(own)
	}
	s := section{Title: "Processes", Text: text + ".", Rows: rows, Align: "lrrrrrr"}
	if fig, ok := memoryFigure(r, hasServer); ok {
		s.Figures = append(s.Figures, fig)
	}
	return chapter{Late: []section{s}}, true
}

func (p *Process) add(q Process) {
	p.Delay, p.Slices = p.Delay+q.Delay, p.Slices+q.Slices
	p.Voluntary, p.Involuntary = p.Voluntary+q.Voluntary, p.Involuntary+q.Involuntary
	p.Resident, p.Anonymous = max(p.Resident, q.Resident), max(p.Anonymous, q.Anonymous)
}

// add adds up stalled time, in seconds.
func (p *Pressure) add(q Pressure, wall time.Duration) {
	p.CPU, p.Memory, p.IO = p.CPU+q.CPU*wall.Seconds(), p.Memory+q.Memory*wall.Seconds(), p.IO+q.IO*wall.Seconds()
}

// formatBytes gives three significant digits and a binary unit.
func formatBytes(n int64) string {
	switch v := float64(n); {
	case n <= 0:
		return "–"
	case v < 1<<20:
		return digits(v/(1<<10)) + " KiB"
	case v < 1<<30:
		return digits(v/(1<<20)) + " MiB"
	default:
		return digits(v/(1<<30)) + " GiB"
	}
}

// memoryFigure is the anonymous memory of both over time.
func memoryFigure(r *Record, hasServer bool) (figure, bool) {
	if len(r.Machine) < 3 {
		return figure{}, false
	}
	var client, server []point
	high := 0.0
	for _, s := range r.Machine {
		at := s.At.Seconds()
		client = append(client, point{at, float64(s.Client.Anonymous) / (1 << 20)})
		high = max(high, float64(s.Client.Anonymous)/(1<<20))
		if s.Server != nil {
			server = append(server, point{at, float64(s.Server.Anonymous) / (1 << 20)})
			high = max(high, float64(s.Server.Anonymous)/(1<<20))
		}
	}
	fig := figure{Title: "Memory over time", Caption: "Anonymous memory of each process tree.", Legend: []legend{{"s0", "client"}}}
	if hasServer {
		fig.Legend = append(fig.Legend, legend{"s1", "server"})
	}
	end := r.Machine[len(r.Machine)-1].At.Seconds()
	fig.SVG = draw(func(c canvas) string {
		p := newPlot(c, timeAxis(end, c), linearAxis(high, 5, "", func(v float64) string { return fmt.Sprintf("%g MiB", v) }), fig.Title)
		p.line("s1", server)
		p.line("s0", client)
		return p.finish()
	})
	return fig, true
}
