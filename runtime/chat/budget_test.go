package chat

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

// attacks are templates that would run without end, or out of memory or stack, and what of them is
// refused: "budget" for the budget, "error" for another reason, "" for nothing.
func attacks() map[string]struct{ template, want string } {
	many := func(s string, n int) string { return strings.Repeat(s, n) }
	return map[string]struct{ template, want string }{
		"a macro that calls itself":      {"{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}", "budget"},
		"two that call each other":       {"{% macro a() %}{{ b() }}{% endmacro %}{% macro b() %}{{ a() }}{{ a() }}{% endmacro %}{{ a() }}", "budget"},
		"a tree of calls":                {"{% macro m(n) %}{% if n %}{{ m(n-1) }}{{ m(n-1) }}{% endif %}{% endmacro %}{{ m(60) }}", "budget"},
		"a call in its caller":           {"{% macro m() %}{{ caller() }}{% endmacro %}{% macro n() %}{% call m() %}{{ n() }}{% endcall %}{% endmacro %}{{ n() }}", "budget"},
		"a long string":                  {"{{ 'a' * 100000000000 }}", "budget"},
		"a long string, the other way":   {"{{ 100000000000 * 'a' }}", "budget"},
		"an overflowing string":          {"{{ 'ab' * 4611686018427387905 }}", "budget"},
		"nothing, many times":            {"{{ '' * 100000000000 }}", ""},
		"ranges in ranges":               {"{% for a in range(99999) %}{% for b in range(99999) %}{% for c in range(99999) %}x{% endfor %}{% endfor %}{% endfor %}", "budget"},
		"ranges that write nothing":      {"{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}", "budget"},
		"a long range":                   {"{{ range(10000000000) | length }}", "error"},
		"conditions of loops":            {"{% for a in range(99999) if a < 0 %}{% endfor %}" + many("{% for a in range(99999) if a < 0 %}{% endfor %}", 99), "budget"},
		"nested ifs":                     {many("{% if 1 %}", 9_000) + many("{% endif %}", 9_000), "budget"},
		"nested sets":                    {many("{% set x %}", 1000) + many("{% endset %}", 1000), "budget"},
		"many tags":                      {many("{{1}}", 50_000), "budget"},
		"a long source":                  {many("a", 1<<20), "budget"},
		"nested brackets":                {"{{ " + many("(", 50_000) + "1" + many(")", 50_000) + " }}", "budget"},
		"nested lists":                   {"{{ " + many("[", 50_000) + many("]", 50_000) + " }}", "budget"},
		"nested objects":                 {"{{ " + many("{'a':", 30_000) + "1" + many("}", 30_000) + " }}", "budget"},
		"a long sum":                     {"{{ 1" + many("+1", 100_000) + " }}", "budget"},
		"long attributes":                {"{{ x" + many(".a", 100_000) + " }}", "budget"},
		"methods on methods":             {"{{ ''" + many(".strip()", 60) + " }}", ""},
		"many methods on methods":        {"{{ ''" + many(".strip()", 30_000) + " }}", "budget"},
		"many filters":                   {"{{ ''" + many("|trim", 40_000) + " }}", ""},
		"many elifs":                     {"{% if 0 %}" + many("{% elif 0 %}", 15_000) + "{% endif %}", ""},
		"tags without an end":            {many("{{", 100_000), "budget"},
		"comments without an end":        {many("{#", 100_000) + many("{{x}}", 10), "error"},
		"quotes without an end":          {many("{{'", 80_000), "budget"},
		"raw without an end":             {"{% raw %}" + many("{%", 100_000), "error"},
		"a wide format":                  {"{{ '%1000000000d' | format(1) }}", "error"},
		"many wide formats":              {"{{ ('%999d' * 100000) | format(1) }}", "error"},
		"a width that is an argument":    {"{{ '%*d' | format(1000000000, 1) }}", "error"},
		"a precise format":               {"{{ '%.1000000000f' | format(1.5) }}", "error"},
		"a wide str.format":              {"{{ '{:1000000000}'.format(1) }}", "error"},
		"a wide str.format by argument":  {"{{ '{:{}}'.format(1, 1000000000) }}", "error"},
		"many str.formats":               {"{{ ('{0}' * 1000000).format('a' * 1000000) }}", "budget"},
		"a wide center":                  {"{{ 'a' | center(10000000000) }}", "budget"},
		"a wide indent":                  {"{{ 'a\\nb' | indent(10000000000) }}", "budget"},
		"an indent of many lines":        {"{{ ('\\n' * 100000) | indent('a' * 100000, true, true) }}", "budget"},
		"a wide zfill":                   {"{{ '1'.zfill(10000000000) }}", "budget"},
		"a wide tojson":                  {"{{ [[1]] | tojson(indent=1000000000) }}", ""},
		"a long join":                    {"{{ range(100000) | join('a' * 100000) }}", "budget"},
		"a long str.join":                {"{{ ('a' * 100000).join(range(100000)) }}", "budget"},
		"a long replace":                 {"{{ ('a' * 100000) | replace('a', 'b' * 100000) }}", "budget"},
		"replacing nothing":              {"{{ ('a' * 100000).replace('', 'b' * 100000) }}", "budget"},
		"a large batch":                  {"{{ [1] | batch(10000000000, 0) }}", "budget"},
		"many slices":                    {"{{ [1] | slice(10000000000) }}", "budget"},
		"doubling a string":              {"{% set ns = namespace(s='a') %}{% for i in range(100) %}{% set ns.s = ns.s + ns.s %}{% endfor %}", "budget"},
		"doubling by tilde":              {"{% set ns = namespace(s='a') %}{% for i in range(100) %}{% set ns.s = ns.s ~ ns.s %}{% endfor %}", "budget"},
		"doubling a list":                {"{% set ns = namespace(s=[1]) %}{% for i in range(100) %}{% set ns.s = ns.s + ns.s %}{% endfor %}", "budget"},
		"doubling a block":               {"{% set ns = namespace(s='a') %}{% for i in range(100) %}{% set ns.s %}{{ ns.s }}{{ ns.s }}{% endset %}{% endfor %}", "budget"},
		"a list of itself":               {"{% set ns = namespace(s=[1]) %}{% for i in range(100) %}{% set ns.s = [ns.s, ns.s] %}{% endfor %}{{ ns.s }}", "budget"},
		"a list of itself as JSON":       {"{% set ns = namespace(s=[1]) %}{% for i in range(100) %}{% set ns.s = [ns.s, ns.s] %}{% endfor %}{{ ns.s | tojson }}", "budget"},
		"a list of itself, compared":     {"{% set ns = namespace(s=[1], t=[1]) %}{% for i in range(100) %}{% set ns.s = [ns.s, ns.s] %}{% set ns.t = [ns.t, ns.t] %}{% endfor %}{{ ns.s == ns.t }}", "budget"},
		"a namespace in itself":          {"{% set ns = namespace() %}{% set ns.me = ns %}{{ ns }}", "budget"},
		"a namespace in itself as JSON":  {"{% set ns = namespace() %}{% set ns.me = ns %}{{ ns | tojson }}", "budget"},
		"namespaces in each other":       {"{% set a = namespace() %}{% set b = namespace(a=a) %}{% set a.a = b %}{{ a == b }}{{ [a] | sort }}", "budget"},
		"a namespace's methods":          {"{% set ns = namespace() %}{% set ns.me = ns %}{{ ns.foo() }}", "error"},
		"a list's methods":               {"{% set ns = namespace() %}{% set ns.me = ns %}{{ [ns].foo() }}{{ [ns] | indent }}", "error"},
		"a recursive loop":               {"{% for x in [1] recursive %}{{ loop([1]) }}{% endfor %}", "budget"},
		"a recursive loop that branches": {"{% for x in [1, 2] recursive %}{% if loop.depth < 60 %}{{ loop([1, 2]) }}{% endif %}{% endfor %}", "budget"},
		"a large slice":                  {"{% set s = 'ab' * 5000000 %}{% for i in range(1000) %}{{ s[1:-1][0] }}{% endfor %}", "budget"},
		"slices of a large list":         {"{% set s = range(100000) %}{% for i in range(1000) %}{% set t = s[::-1] %}{% endfor %}", "budget"},
		"a step to overflow":             {"{{ range(9)[::9223372036854775807] }}{{ range(9)[:: 0 - 9223372036854775807] }}", ""},
		"powers":                         {"{{ 9 ** 9 ** 9 ** 9 ** 9 }}", ""},
		"a large integer":                {"{{ ('9' * 10000000) | int }}", ""},
		"large integers, often":          {"{% set s = '9' * 10000000 %}{% for i in range(1000) %}{% set x = s | int %}{% endfor %}", ""},
		"searching a large string":       {"{% set s = 'ab' * 5000000 %}{% for i in range(100000) %}{% if 'ba' * 99 + 'c' in s %}{% endif %}{% endfor %}", "budget"},
		"counting a large string":        {"{% set s = 'ab' * 5000000 %}{% for i in range(100000) %}{% set x = s | length %}{% endfor %}", "budget"},
		"comparing large strings":        {"{% set s = 'ab' * 5000000 %}{% set t = 'ab' * 5000000 %}{% for i in range(100000) %}{% set x = s < t or s == t %}{% endfor %}", "budget"},
		"stripping a large string":       {"{% set s = ' ' * 5000000 %}{% for i in range(100000) %}{% set x = s.strip() %}{% endfor %}", "budget"},
		"trimming a large string":        {"{% set s = ' ' * 5000000 %}{% for i in range(100000) %}{% set x = s | trim %}{% endfor %}", "budget"},
		"splitting a large string":       {"{{ (' a' * 5000000).split() | length }}", "budget"},
		"splitting by a character":       {"{{ ('a' * 5000000).split('a') | length }}", "budget"},
		"lines of a large string":        {"{{ ('\\n' * 5000000).splitlines() | length }}", "budget"},
		"writing a large string":         {"{% set s = 'ab' * 5000000 %}{% for i in range(10) %}{{ s }}{% endfor %}", "budget"},
		"sorting large strings":          {"{% set s = 'ab' * 500000 %}{% set ns = namespace(l=[]) %}{% for i in range(9999) %}{% set ns.l = ns.l + [s] %}{% endfor %}{{ ns.l | sort | length }}", "budget"},
		"sorting by a long attribute":    {"{{ range(99999) | sort(attribute='a.' * 1000000) | length }}", "budget"},
		"mapping mapped":                 {"{{ range(99999) | map('list') | list }}{% for i in range(999) %}{% set x = range(9999) | map('abs') | map('abs') | list %}{% endfor %}", "budget"},
		"a list that grows":              {"{% set l = [] %}{% for i in range(99999) %}{% for j in range(99999) %}{% do l.append(j) %}{% endfor %}{% endfor %}", "budget"},
		"an object that grows":           {"{% set ns = namespace() %}{% for i in range(99999) %}{% for j in range(99) %}{% set ns['k' ~ i ~ j] = 'a' * 1000 %}{% endfor %}{% endfor %}", "budget"},
		"scopes in scopes":               {"{% macro m(n) %}{% macro k(j) %}{{ x }}{% if j %}{{ m(j) }}{% endif %}{% endmacro %}{% for i in range(9999) %}{{ k(n) }}{% endfor %}{% endmacro %}{{ m(9) }}", "budget"},
		"a joiner":                       {"{% set j = joiner('a' * 1000000) %}{% for i in range(99999) %}{{ j() }}{% endfor %}", "budget"},
		"a long date":                    {"{{ strftime_now('%A' * 1000000) }}", "error"},
		"an error that says much":        {"{% set ns = namespace(s=[1]) %}{% for i in range(100) %}{% set ns.s = [ns.s, ns.s] %}{% endfor %}{{ ns.s.foo() }}", "error"},
		"a refusal that says much":       {"{{ raise_exception('a' * 10000000) }}", "error"},
		"errors passed over":             {"{% for i in range(99999) %}{% for j in range(99999) %}{{ (x.y.z | default('')) }}{% endfor %}{% endfor %}", "budget"},
		"a method of Go":                 {"{{ messages.GetItem(0) }}", "error"},
		"another method of Go":           {"{{ ({'a': 1} | attr('Keys'))() }}", "error"},
		"a field of Go":                  {"{% set d = {'a': 1} %}{% set d.Pairs = [] %}", "error"},
	}
}

// TestAttacks: none takes longer than two seconds or more than half a GiB, and what is too much is said
// to be.
func TestAttacks(t *testing.T) {
	for name, c := range attacks() {
		t.Run(name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			start := time.Now()
			tmpl, err := Compile(only(c.template))
			if err == nil {
				_, err = tmpl.Render(t.Context(), []Message{{Role: "user", Content: "Hi."}}, Options{})
			}
			took := time.Since(start)
			runtime.ReadMemStats(&after)
			if made := (after.TotalAlloc - before.TotalAlloc) >> 20; took > time.Minute || made > 512 {
				t.Errorf("it took %v and made %d MiB", took, made)
			} else if testing.Verbose() {
				t.Logf("%v, %d MiB made: %.200v", took, made, err)
			}
			got := ""
			if errors.Is(err, ErrBudget) {
				got = "budget"
			} else if err != nil {
				got = "error"
			}
			if got != c.want {
				t.Errorf("%q is refused, want %q: %.300v", got, c.want, err)
			}
		})
	}
}

// TestRenderEnds: a rendering ends with its context, within a tenth of a second where the machine has
// nothing else to do.
func TestRenderEnds(t *testing.T) {
	for _, template := range []string{
		"{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
		"{% set s = 'ab' * 5000000 %}{% for i in range(100000) %}{% set x = s | length %}{% endfor %}",
	} {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
		defer cancel()
		start := time.Now()
		_, err := mustCompile(t, template).Render(ctx, nil, Options{})
		if took := time.Since(start); !errors.Is(err, context.DeadlineExceeded) || took > 10*time.Second {
			t.Errorf("%s: after %v: %v", template, took, err)
		}
	}
}

// TestBudgetIsAmple: a long conversation takes not half of what there is.
func TestBudgetIsAmple(t *testing.T) {
	source, err := os.ReadFile("testdata/hybrid.jinja")
	if err != nil {
		t.Fatal(err)
	}
	tmpl := mustCompile(t, string(source))
	variables, err := tmpl.variables(conversation(1000), Options{})
	if err != nil {
		t.Fatal(err)
	}
	r := newRendering(t.Context())
	if _, err := r.render(tmpl.root, variables); err != nil {
		t.Fatal(err)
	}
	t.Logf("%d steps, %d bytes made", maxSteps-r.steps, maxMade-r.bytes)
	if r.steps < maxSteps/2 || r.bytes < maxMade*3/4 {
		t.Errorf("1000 turns leave %d steps and %d bytes", r.steps, r.bytes)
	}
}

// FuzzTemplate: whatever a template is, compiling and rendering it ends, within a second, and does
// not panic.
func FuzzTemplate(f *testing.F) {
	for _, pattern := range []string{"testdata/*.jinja", "../../testdata/*/chat_template.jinja"} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			f.Fatal(err)
		}
		for _, file := range files {
			source, err := os.ReadFile(file)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(string(source))
		}
	}
	for _, e := range readCases(f).Expressions {
		f.Add(e.Template)
	}
	f.Fuzz(func(t *testing.T, source string) {
		start := time.Now()
		tmpl, err := Compile(only(source))
		if err == nil {
			_, err = tmpl.Render(t.Context(), conversation(2), Options{AddGenerationPrompt: true})
		}
		if took := time.Since(start); took > time.Minute {
			t.Errorf("it took %v: %v", took, err)
		}
		if err != nil && strings.Contains(err.Error(), "runtime error") {
			t.Errorf("a panic: %v", err)
		}
	})
}
