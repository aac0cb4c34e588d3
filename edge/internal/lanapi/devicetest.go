package lanapi

import (
	"context"
	"errors"
	"net/url"
	"strconv"
	"time"

	"github.com/gofiber/fiber/v2"

	"yipiao/sync/ticket"
)

// DeviceTests tells what is plugged in and tests configured devices while they work.
type DeviceTests interface {
	// Hardware is what is plugged in, what of it is configured, and what is wrong, as JSON.
	Hardware() (any, error)
	// Begin begins a test for a person and returns it as JSON. open lets one person through a gate, print prints a
	// test page. It returns one of the errors below.
	Begin(name, by string, open, print bool) (any, error)
	// Test returns the newest test of a device as JSON as soon as it has more than since steps, is over, or ctx ends;
	// ok is false for none.
	Test(ctx context.Context, name string, since int) (test any, ok bool)
	// Cancel ends a test; it reports false where none is at work.
	Cancel(name string) bool
}

// Errors of DeviceTests.
var (
	ErrNoSuchDevice = errors.New("lanapi: no such device is configured")
	ErrNoGate       = errors.New("lanapi: not a gate")
	ErrNoPrinter    = errors.New("lanapi: not a printer")
	ErrLaneBusy     = errors.New("lanapi: somebody is on the way through")
	ErrTestRunning  = errors.New("lanapi: a test of the device is at work")
	ErrStopping     = errors.New("lanapi: the station is stopping")
)

// testProblems are the answers to them.
var testProblems = []struct {
	err     error
	problem problem
}{
	{ErrNoSuchDevice, problem{status: fiber.StatusNotFound, Code: "no_such_device", Message: "没有配置这台设备 (no such device is configured)"}},
	{ErrNoGate, problem{status: fiber.StatusBadRequest, Code: "not_a_gate", Field: "open", Message: "不是闸机，不能放行 (not a gate)"}},
	{ErrNoPrinter, problem{status: fiber.StatusBadRequest, Code: "not_a_printer", Field: "print", Message: "不是打印机，不能打印 (not a printer)"}},
	{ErrLaneBusy, problem{status: fiber.StatusConflict, Code: "lane_busy", Message: "通道里有人正在通过，请稍后再试 (somebody is on the way through, try again)"}},
	{ErrTestRunning, problem{status: fiber.StatusConflict, Code: "test_running", Message: "这台设备正在测试 (a test of it is at work)"}},
	{ErrStopping, problem{status: fiber.StatusServiceUnavailable, Code: "stopping", Message: "驿站正在停止或启动 (the station is starting or stopping)"}},
}

func (a *api) mountDeviceTests(v1 fiber.Router) {
	v1.Get("/hardware", a.operator(a.hardware))
	v1.Post("/devices/:name/test", a.operator(a.beginTest))
	v1.Get("/devices/:name/test", a.operator(a.deviceTest))
	v1.Delete("/devices/:name/test", a.operator(a.cancelTest))
}

func (a *api) hardware(c *fiber.Ctx, _ string) error {
	h, err := a.Tests.Hardware()
	if err != nil {
		a.Log.Error("hardware not listed", "error", err)
		return (&problem{status: fiber.StatusInternalServerError, Code: "not_listed", Message: "设备清单读不到 (devices cannot be listed)"}).send(c)
	}
	return c.JSON(h)
}

// device is the device's name in the path.
func device(c *fiber.Ctx) string {
	name, err := url.PathUnescape(c.Params("name"))
	if err != nil {
		return c.Params("name")
	}
	return name
}

// beginTest answers as soon as the test has begun; deviceTest tells the rest.
func (a *api) beginTest(c *fiber.Ctx, who string) error {
	var r struct {
		Open  bool `json:"open"`
		Print bool `json:"print"`
	}
	if len(c.Body()) > 0 {
		if err := decodeStrict(c.Body(), &r); err != nil {
			return bad(err).send(c)
		}
	}
	test, err := a.Tests.Begin(device(c), who, r.Open, r.Print)
	for _, p := range testProblems {
		if errors.Is(err, p.err) {
			return p.problem.send(c)
		}
	}
	if err != nil {
		a.Log.Error("test not begun", "error", err)
		return errFault.send(c)
	}
	return c.Status(fiber.StatusAccepted).JSON(test)
}

// deviceTest answers the newest test, waiting up to ?wait_ms= for more than ?since= steps.
func (a *api) deviceTest(c *fiber.Ctx, _ string) error {
	since, err := strconv.Atoi(c.Query("since", "0"))
	wait, errWait := strconv.Atoi(c.Query("wait_ms", "0"))
	if err != nil || errWait != nil || since < 0 || wait < 0 || wait > 30_000 {
		return bad(&ticket.FieldError{Field: "since, wait_ms", Want: "非负整数，wait_ms 不超过 30000 (numbers)", Code: "bad_query"}).send(c)
	}
	ctx, cancel := context.WithTimeout(c.UserContext(), time.Duration(wait)*time.Millisecond)
	defer cancel()
	test, ok := a.Tests.Test(ctx, device(c), since)
	if !ok {
		return (&problem{status: fiber.StatusNotFound, Code: "no_test", Message: "这台设备还没有测试过 (no test of it)"}).send(c)
	}
	return c.JSON(test)
}

func (a *api) cancelTest(c *fiber.Ctx, _ string) error {
	if !a.Tests.Cancel(device(c)) {
		return (&problem{status: fiber.StatusNotFound, Code: "no_test", Message: "没有正在进行的测试 (no test is at work)"}).send(c)
	}
	return c.JSON(fiber.Map{"cancelled": true})
}
