package fastpath_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"trent/fastpath/model"
	"trent/fastpath/operation"
	"trent/fastpath/servertest"
	"trent/store"
)

// Size and seed of the property tests. TRENT_PROPERTY_REQUESTS and TRENT_PROPERTY_SEED override them: a failure
// names its seed.
const (
	defaultRequests = 12000
	shortRequests   = 3000
	defaultSeed     = 1
	batch           = 500 // requests between two looks at all keys
)

// slowest is what one request may take: making an RSA-4096 key on a busy machine takes seconds. What hangs fails
// by it, if it ends at all.
const slowest = 30 * time.Second

// anywhere are the errors that any operation may answer (AWS KMS API Reference, "Common errors").
var anywhere = []string{
	"ValidationException", "SerializationException", "AccessDeniedException",
	"UnsupportedOperationException", // what this version has not
}

// unmodeled are the errors that operations answer beyond their model: CreateAlias of a reserved name does so
// at the service; ListKeyPolicies issues no marker, so that it knows none.
var unmodeled = map[string]string{
	"CreateAlias": "NotAuthorizedException", "UpdateAlias": "NotAuthorizedException", "DeleteAlias": "NotAuthorizedException",
	"ListKeyPolicies": "InvalidMarkerException",
}

func fromEnv(t testing.TB, name string, otherwise int) int {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return otherwise
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return n
}

// subject is a server under random requests.
type subject struct {
	*draws
	t       testing.TB
	s       *servertest.Server
	writes  *writes
	answers map[string]map[int]int      // operation → status → number
	created map[string]bool             // ids of keys that were answered
	sealed  map[string]string           // id of a key → a ciphertext of it
	lasting []string                    // ids of custom key stores that are not deleted
	next    map[string][]map[string]any // operation → requests that make sense
}

// newSubject starts a server with keys of all specs and several states.
func newSubject(t *testing.T) *subject {
	t.Helper()
	seed := fromEnv(t, "TRENT_PROPERTY_SEED", defaultSeed)
	t.Logf("seed %d", seed)
	x := &subject{t: t, writes: &writes{}, answers: map[string]map[int]int{}, created: map[string]bool{}, sealed: map[string]string{}, next: map[string][]map[string]any{}}
	x.s = servertest.Start(t, servertest.Options{
		Logf: func(format string, args ...any) {
			// Of what the server logs, faults are of requests; the rest is work in the background.
			if line := fmt.Sprintf(format, args...); strings.HasPrefix(line, "request ") || strings.HasPrefix(line, "defect") {
				t.Error(line)
			}
		},
		Wrap:      func(s store.Store) store.Store { x.writes.Store = s; return x.writes },
		KeyStores: behindStores(),
	})
	x.draws = &draws{Rand: rand.New(rand.NewPCG(uint64(seed), 0)), values: map[string][]string{}}
	x.names = []string{
		"", "x", "alias/absent", "alias/pool", "alias/aws/s3", "arn:aws:kms:eu-west-1:000000000000:key/x", "arn:",
		"arn:aws:kms:us-east-1:111122223333:key/00000000-1111-2222-3333-444444444444", "00000000-1111-2222-3333-444444444444",
		"arn:aws:kms:us-east-1:000000000000:alias/pool",
	}
	x.values["AliasName"] = []string{"alias/a", "alias/b", "alias/pool", "alias/aws/x", "alias/", "x", "alias/a:b"}
	x.values["Policy"] = []string{"{}", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"*","Resource":"*"}]}`}
	x.values["PolicyName"] = []string{"default"}
	x.values["GranteePrincipal"] = []string{"arn:aws:iam::000000000000:root", "arn:aws:iam::000000000000:role/r", "arn:aws:iam::111122223333:user/u", "x"}
	x.values["ReplicaRegion"] = []string{"eu-west-1", "us-west-2", "us-east-1", "xx-nowhere-1", "cn-north-1"}
	x.values["PrimaryRegion"] = x.values["ReplicaRegion"]
	x.makeKeys()
	x.makeStores()
	return x
}

// makeKeys fills the pool. What this version cannot make is left out.
func (x *subject) makeKeys() {
	for _, spec := range model.ShapeOf("KeySpec").Enum {
		if spec == "RSA_3072" || spec == "RSA_4096" { // take seconds, and differ from RSA_2048 in size only
			continue
		}
		for _, usage := range model.ShapeOf("KeyUsageType").Enum {
			x.makeKey(map[string]any{"KeySpec": spec, "KeyUsage": usage})
		}
	}
	for range 2 {
		x.makeKey(map[string]any{"Origin": "EXTERNAL"})
		x.makeKey(map[string]any{})
		for range 4 { // each becomes a primary in another Region once
			x.makeKey(map[string]any{"MultiRegion": true})
		}
	}
	first := x.keys[0].id
	x.call("CreateAlias", map[string]any{"AliasName": "alias/pool", "TargetKeyId": first})
	for range 3 {
		if k := x.makeKey(map[string]any{}); k != nil {
			x.call("ScheduleKeyDeletion", map[string]any{"KeyId": k.id, "PendingWindowInDays": 7})
		}
	}
}

func (x *subject) makeKey(in map[string]any) *drawnKey {
	answer, status := x.call("CreateKey", in)
	if status != 200 {
		return nil
	}
	x.learnKey(answer)
	return &x.keys[len(x.keys)-1]
}

// learnKey puts the key of CreateKey's answer into the pool.
func (x *subject) learnKey(answer map[string]any) {
	m := answer["KeyMetadata"].(map[string]any)
	k := drawnKey{id: m["KeyId"].(string), arn: m["Arn"].(string), spec: m["KeySpec"].(string), usage: m["KeyUsage"].(string), origin: m["Origin"].(string)}
	for name, list := range m {
		if strings.HasSuffix(name, "Algorithms") {
			for _, a := range list.([]any) {
				k.algorithms = append(k.algorithms, a.(string))
			}
		}
	}
	slices.Sort(k.algorithms)
	x.created[k.id] = true
	x.keys = append(x.keys, k)
}

// call sends a request and holds the answer against what any answer must be.
func (x *subject) call(op string, fields map[string]any) (map[string]any, int) {
	body, err := json.Marshal(fields)
	if err != nil {
		x.t.Fatal(err)
	}
	return x.send(op, string(body), fields["DryRun"] == true)
}

func (x *subject) send(op, body string, dry bool) (map[string]any, int) {
	if x.writes != nil { // of one request at a time
		x.writes.begin()
	}
	began := time.Now()
	status, text := serve(x.t, x.s, servertest.For(op, body))
	if took := time.Since(began); took > slowest {
		x.t.Errorf("%s %s took %v", op, body, took)
	}
	var written []string
	if x.writes != nil {
		written = x.writes.end()
	}
	if x.answers[op] == nil {
		x.answers[op] = map[int]int{}
	}
	x.answers[op][status]++
	var answer map[string]any
	if text != "" {
		if err := json.Unmarshal([]byte(text), &answer); err != nil {
			x.t.Errorf("%s %s: %d %q is no JSON", op, body, status, text)
		}
	}
	switch {
	case status >= 500:
		x.t.Errorf("%s %s: %d %s", op, body, status, text)
	case status == 200 && dry && hasDryRun(op):
		x.t.Errorf("%s %s: a dry run was answered %s", op, body, text)
	case status != 200 && len(written) > 0 && !managedAppears(written):
		x.t.Errorf("%s %s: refused with %s after writing %q", op, body, text, written)
	case status != 200:
		x.checkRefusal(op, body, answer)
	}
	return answer, status
}

// managedAppears tells that a request named an AWS managed key for the first time, which made the key, whatever then
// became of the request.
func managedAppears(written []string) bool {
	return slices.ContainsFunc(written, func(key string) bool { return strings.Contains(key, "alias/aws/") })
}

func hasDryRun(op string) bool {
	i := slices.IndexFunc(model.Operations(), func(o model.Operation) bool { return o.Name == op })
	return slices.ContainsFunc(model.ShapeOf(model.Operations()[i].Input).Members, func(m model.Member) bool { return m.Name == "DryRun" })
}

// checkRefusal: an operation answers the errors of its model and the common ones only.
func (x *subject) checkRefusal(op, body string, answer map[string]any) {
	code, _ := answer["__type"].(string)
	i := slices.IndexFunc(model.Operations(), func(o model.Operation) bool { return o.Name == op })
	if !slices.Contains(model.Operations()[i].Errors, code) && !slices.Contains(anywhere, code) && unmodeled[op] != code {
		x.t.Errorf("%s %s: %v is not in the operation's model", op, body, answer)
	}
}

// step sends one random request.
func (x *subject) step() {
	op := oneOf(x.draws, model.Operations()...)
	fields := x.structure(model.ShapeOf(op.Input))
	x.makeSense(op.Name, fields)
	body, err := json.Marshal(fields)
	if err != nil {
		x.t.Fatal(err)
	}
	if x.percent(5) {
		x.damage(body)
	}
	answer, status := x.send(op.Name, string(body), false)
	if status != 200 {
		return
	}
	if fields["DryRun"] == true && json.Valid(body) && hasDryRun(op.Name) && strings.Contains(string(body), `"DryRun":true`) {
		x.t.Errorf("%s %s: a dry run was answered %v", op.Name, body, answer)
	}
	if op.Name == "CreateKey" {
		x.learnKey(answer)
	}
	if op.Name == "ConnectCustomKeyStore" && x.writes != nil {
		x.settle()
	}
	x.harvest(op.Name, answer)
	x.follow(op.Name, fields, answer)
}

// damage changes some bytes of a body, mostly so that it is no JSON any more.
func (x *subject) damage(body []byte) {
	for range 1 + x.IntN(3) {
		body[x.IntN(len(body))] = oneOf(x.draws, byte('"'), '{', ',', 0, 0xff, '\\', byte(x.Uint32()))
	}
}

// TestAnyRequest: whatever is asked of any operation, well-formed or not, the answer is a success or one of the errors
// that the operation's model has; what is refused or dry writes nothing; and all keys stay consistent.
func TestAnyRequest(t *testing.T) {
	t.Parallel()
	x := newSubject(t)
	requests := defaultRequests
	if testing.Short() {
		requests = shortRequests
	}
	requests = fromEnv(t, "TRENT_PROPERTY_REQUESTS", requests)
	x.checkKeys()
	for done := 0; done < requests && !t.Failed(); done += batch {
		for range batch {
			x.step()
		}
		x.checkKeys()
	}
	x.checkReach(requests)
	x.s.Restart(t)
	x.checkKeys()
}

// checkReach: the requests of a long run bring each operation to success and to refusal.
func (x *subject) checkReach(requests int) {
	total := map[int]int{}
	for _, row := range operation.Rows() {
		by := x.answers[row.Name]
		for status, n := range by {
			total[status] += n
		}
		if !row.Implemented || requests < defaultRequests {
			continue
		}
		if by[200] == 0 || by[400] == 0 {
			x.t.Errorf("%s was answered %v", row.Name, by)
		}
	}
	if len(x.answers) != len(model.Operations()) || total[200] < requests/20 || total[400] < requests/20 {
		x.t.Errorf("the requests reach too little: %d operations, answers by status %v", len(x.answers), total)
	}
	x.t.Log(total)
}

// TestAnyRequestAtATime: the same under several requests at a time for the same keys.
func TestAnyRequestAtATime(t *testing.T) {
	t.Parallel()
	x := newSubject(t)
	const each = 500
	all := make([]*subject, 4)
	var wg sync.WaitGroup
	for i := range all {
		y := *x
		y.draws = &draws{Rand: rand.New(rand.NewPCG(x.Uint64(), 1)), keys: slices.Clone(x.keys), names: x.names, values: map[string][]string{}}
		for name, known := range x.values {
			y.values[name] = slices.Clone(known)
		}
		y.writes, y.answers, y.created = nil, map[string]map[int]int{}, map[string]bool{}
		y.sealed, y.next = nil, map[string][]map[string]any{}
		all[i] = &y
		wg.Go(func() {
			for range each {
				y.step()
			}
		})
	}
	wg.Wait()
	for _, y := range all {
		maps.Copy(x.created, y.created)
	}
	x.checkKeys()
}
