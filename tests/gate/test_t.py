import time


def test_it(cli, write_suite):
    p = write_suite()
    for args in (
        ["--version"],
        ["run", p, "--store", "a"],
        ["run", p, "--store", "b"],
        ["compare", "a", "b"],
        ["list"],
        ["run", p, "--store", "c", "--quiet"],
    ):
        t = time.time()
        r = cli(*args)
        print(args[0], r.returncode, round(time.time() - t, 2))
