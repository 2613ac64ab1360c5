package compare

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"trent/loadgen/engine"
	"trent/loadgen/spawn"
	"trent/results"
)

// Subject is one side of a comparison, before it is started.
type Subject struct {
	Name   string
	Kind   string        // results.EndpointSubject …
	Target engine.Target // endpoint and program: where it answers, and how it is talked to
	PID    int           // endpoint: its process on this machine, for CPU a request; 0: not known
	Spawn  spawn.Options // trent: how to start it; its CPUs are chosen by the run
	Start  Command       // program: how to start it
}

// Command is a program to start, as a shell would without expanding anything.
type Command struct {
	Env  []string // NAME=value
	Path string
	Args []string
}

func (s *Subject) starts() bool { return s.Kind != results.EndpointSubject }

// words are the command's, for a record.
func (c Command) words() []string {
	return slices.Concat(c.Env, []string{c.Path}, c.Args)
}

// owned are the flags of serve that a run sets itself.
var owned = []string{"--listen", "--admin-listen", "--data-dir", "--seal-key", "--ready-file"}

// ParseSubject reads what stands on a command line for a side: a URL, or a build with flags of serve ("./trent --flag x",
// "NAME=value ./trent serve"). It fills in Kind and either Target.URL or Spawn's program, flags and environment.
func ParseSubject(text string) (Subject, error) {
	text = strings.TrimSpace(text)
	if strings.Contains(text, "://") && !strings.ContainsAny(text, " \t\n'\"") {
		_, name, _ := strings.Cut(text, "://")
		return Subject{Name: strings.TrimRight(name, "/"), Kind: results.EndpointSubject, Target: engine.Target{URL: text}}, nil
	}
	command, err := ParseCommand(text)
	if err != nil {
		return Subject{}, err
	}
	args := command.Args
	if len(args) > 0 && args[0] == "serve" {
		args = args[1:]
	}
	for _, arg := range args {
		name, _, _ := strings.Cut(arg, "=")
		if slices.Contains(owned, name) {
			return Subject{}, fmt.Errorf("%s is set by the comparison itself, which starts both sides", name)
		}
	}
	name := strings.Join(append([]string{filepath.Base(command.Path)}, args...), " ")
	return Subject{Name: name, Kind: results.TrentSubject, Spawn: spawn.Options{Program: command.Path, Args: args, Env: command.Env}}, nil
}

// ParseCommand splits a command line: words are separated by blanks, quotes of either kind join them, a backslash outside single
// quotes takes the next character as it is. Leading NAME=value words are the environment.
func ParseCommand(text string) (Command, error) {
	words, err := split(text)
	if err != nil {
		return Command{}, err
	}
	var c Command
	for len(words) > 0 && assignment(words[0]) {
		c.Env, words = append(c.Env, words[0]), words[1:]
	}
	if len(words) == 0 || words[0] == "" {
		return Command{}, errors.New("no program is named")
	}
	c.Path, c.Args = words[0], words[1:]
	return c, nil
}

func assignment(word string) bool {
	name, _, found := strings.Cut(word, "=")
	if !found || name == "" || name[0] >= '0' && name[0] <= '9' {
		return false
	}
	for _, c := range name {
		if !(c == '_' || '0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'z') {
			return false
		}
	}
	return true
}

func split(text string) ([]string, error) {
	var words []string
	var word strings.Builder
	quote, begun, escaped := rune(0), false, false
	for _, c := range text {
		switch {
		case escaped:
			word.WriteRune(c)
			escaped = false
		case c == '\\' && quote != '\'':
			escaped, begun = true, true
		case quote != 0 && c == quote:
			quote = 0
		case quote != 0:
			word.WriteRune(c)
		case c == '\'' || c == '"':
			quote, begun = c, true
		case c == ' ' || c == '\t' || c == '\n':
			if begun {
				words = append(words, word.String())
				word.Reset()
				begun = false
			}
		default:
			word.WriteRune(c)
			begun = true
		}
	}
	switch {
	case quote != 0:
		return nil, fmt.Errorf("a quote %c is not closed", quote)
	case escaped:
		return nil, errors.New("it ends in a backslash")
	case begun:
		words = append(words, word.String())
	}
	return words, nil
}
