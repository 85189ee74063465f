package main

import (
	"strings"
	"testing"
)

const events = `make: something of its own
{"Action":"start","Package":"qimport/a"}
{"Action":"run","Package":"qimport/a","Test":"TestGood"}
{"Action":"output","Package":"qimport/a","Test":"TestGood","Output":"=== RUN   TestGood\n"}
{"Action":"pass","Package":"qimport/a","Test":"TestGood"}
{"Action":"output","Package":"qimport/a","Test":"TestPart","Output":"    a_test.go:3: QIMPORT_FIXTURES is not set: only the excerpt is tested\n"}
{"Action":"pass","Package":"qimport/a","Test":"TestPart"}
{"Action":"output","Package":"qimport/a","Test":"TestAll/x","Output":"    a_test.go:7: QIMPORT_FIXTURES names no folder\n"}
{"Action":"skip","Package":"qimport/a","Test":"TestAll/x"}
{"Action":"output","Package":"qimport/a","Test":"TestRoot","Output":"=== RUN   TestRoot\n"}
{"Action":"output","Package":"qimport/a","Test":"TestRoot","Output":"    a_test.go:9: needs root: to become somebody else\n"}
{"Action":"output","Package":"qimport/a","Test":"TestRoot","Output":"--- SKIP: TestRoot (0.00s)\n"}
{"Action":"skip","Package":"qimport/a","Test":"TestRoot"}
{"Action":"output","Package":"qimport/a","Test":"TestScripts/whole","Output":"        > [!fixtures] skip 'QIMPORT_FIXTURES is not set'\n"}
{"Action":"pass","Package":"qimport/a","Test":"TestScripts/whole"}
{"Action":"output","Package":"qimport/a","Test":"TestScripts/part","Output":"        > [!fixtures] skip 'QIMPORT_FIXTURES is not set'\n"}
{"Action":"output","Package":"qimport/a","Test":"TestScripts/part","Output":"    script_test.go:9: QIMPORT_FIXTURES is not set\n"}
{"Action":"skip","Package":"qimport/a","Test":"TestScripts/part"}
{"Action":"output","Package":"qimport/a","Output":"PASS\n"}
{"Action":"output","Package":"qimport/a","Output":"ok  \tqimport/a\t0.1s\n"}
{"Action":"pass","Package":"qimport/a"}
{"Action":"skip","Package":"qimport/none"}
`

const failing = `{"Action":"output","Package":"qimport/b","Test":"TestBad","Output":"    b_test.go:1: wrong\n"}
{"Action":"output","Package":"qimport/b","Test":"TestBad","Output":"--- FAIL: TestBad (0.00s)\n"}
{"Action":"fail","Package":"qimport/b","Test":"TestBad"}
{"Action":"output","Package":"qimport/b","Output":"FAIL\n"}
{"Action":"fail","Package":"qimport/b"}`

func TestRead(t *testing.T) {
	for _, c := range []struct {
		in, want string
		failed   bool
	}{
		{events, `make: something of its own
ok  	qimport/a	0.1s
left out, or done in part, for want of the fixtures: 3 tests
    qimport/a.TestAll/x
    qimport/a.TestPart
    qimport/a.TestScripts/part
skipped, needs root: to become somebody else: 1 test
`, false},
		{failing, `    b_test.go:1: wrong
--- FAIL: TestBad (0.00s)
FAIL
no test was skipped
`, true},
	} {
		var out strings.Builder
		s, err := read(strings.NewReader(c.in), &out)
		if err != nil {
			t.Fatal(err)
		}
		s.write(&out)
		if out.String() != c.want || s.failed != c.failed {
			t.Errorf("failed %t, printed\n%swant\n%s", s.failed, &out, c.want)
		}
	}
}
