"""Charts: the founding example to the letter, before and after a run; large nets in few boxes; nothing disturbed."""

import re
import shutil
import subprocess
import sys
import weakref

import pytest

import funcgrad as torch
from funcgrad.draw import Chart, backward_graph, forward_graph
from funcgrad.tape import stats

FORWARD = """\
flowchart TD
    n0(["w"])
    n1(["x"])
    n2["mul"]
    n3(["b"])
    n4["add"]
    n5["sub 3"]
    n6["pow 2"]
    n7(["loss"])
    n0 -->|"scalar"| n2
    n1 -->|"scalar"| n2
    n2 -->|"y: scalar"| n4
    n3 -->|"scalar"| n4
    n4 -->|"z: scalar"| n5
    n5 -->|"scalar"| n6
    n6 -->|"scalar"| n7"""

BACKWARD = """\
flowchart TD
    n0["loss<br/>PowBackward0<br/>SubBackward0"]
    n1["z<br/>AddBackward0"]
    n2(["b<br/>AccumulateGrad"])
    n3["y<br/>MulBackward0"]
    n4(["x<br/>AccumulateGrad"])
    n5(["w<br/>AccumulateGrad"])
    n0 -->|"dloss/dz"| n1
    n1 -->|"dz/dy"| n3
    n1 -->|"dz/db"| n2
    n3 -->|"dy/dw"| n5
    n3 -->|"dy/dx"| n4"""


def leaves(x_requires_grad=True):
    x = torch.tensor(1.0, requires_grad=x_requires_grad)
    w = torch.tensor(2.0, requires_grad=True)
    b = torch.tensor(0.5, requires_grad=True)
    return x, w, b


def edges(chart):
    """label -> (text of the box it leaves, text of the box it enters), from Mermaid."""
    boxes = {n: text for n, text in re.findall(r'(\bn\d+)[^"\n-]*"([^"]*)"', chart)}
    found = re.findall(r'(n\d+) -->(?:\|"([^"]*)"\|)? (n\d+)', chart)
    return {label: (boxes[a], boxes[b]) for a, label, b in found}


def box_count(chart):
    return len(re.findall(r"^ +n\d+\W*[\[({]", chart, re.M))


# ---- the founding example ----------------------------------------------------------------------------


def test_the_founding_example_pending_run_and_freed():
    x, w, b = leaves()
    y = w * x
    z = y + b
    loss = (z - 3) ** 2
    for look in (lambda: None, loss.item, loss.backward, loss.item):
        look()
        assert forward_graph(loss) == FORWARD
        assert backward_graph(loss) == BACKWARD
        names = {"x": x, "w": w, "b": b, "y": y, "z": z, "loss": loss}
        assert forward_graph(loss, **names) == FORWARD
        assert backward_graph(loss, **names) == BACKWARD
    assert [t.grad.item() for t in (x, w, b)] == [-2, -1, -1]


def test_x_is_a_constant_where_it_wants_no_gradient():
    x, w, b = leaves(x_requires_grad=False)
    y = w * x
    z = y + b
    loss = (z - 3) ** 2
    for look in (lambda: None, loss.item, loss.backward):
        look()
        names = {"x": x, "w": w, "b": b, "y": y, "z": z, "loss": loss}
        assert '[/"x<br/>constant"/]' in forward_graph(loss, **names)
        assert list(edges(backward_graph(loss, **names))) == ["dloss/dz", "dz/dy", "dz/db", "dy/dw"]


def test_in_one_expression_the_unnamed_get_names():
    x, w, b = leaves()
    loss = (w * x + b - 3) ** 2
    assert edges(backward_graph(loss)) == {
        "dloss/dt2": ("loss<br/>PowBackward0<br/>SubBackward0", "t2<br/>AddBackward0"),
        "dt2/dt1": ("t2<br/>AddBackward0", "t1<br/>MulBackward0"),
        "dt2/db": ("t2<br/>AddBackward0", "b<br/>AccumulateGrad"),
        "dt1/dw": ("t1<br/>MulBackward0", "w<br/>AccumulateGrad"),
        "dt1/dx": ("t1<br/>MulBackward0", "x<br/>AccumulateGrad"),
    }
    assert '"t1: scalar"' in forward_graph(loss) and '"t2: scalar"' in forward_graph(loss)


def test_names_already_taken_are_not_given_again():
    t1, p1 = torch.ones((), requires_grad=True), torch.ones((), requires_grad=True)
    loss = (t1 * torch.ones((), requires_grad=True)) * p1
    assert list(edges(backward_graph(loss))) == ["dloss/dt2", "dloss/dp1", "dt2/dt1", "dt2/dp2"]


def test_a_node_folded_beside_others_is_named_on_its_edge():
    x, _, b = leaves()
    loss = torch.sin(x) + b
    assert list(edges(backward_graph(loss))) == ["dloss/dx<br/>SinBackward0", "dloss/db"]


def test_values_on_request():
    x, w, b = leaves()
    y = w * x
    loss = (y + b - 3) ** 2
    runs = stats.runs
    chart = forward_graph(loss, values=True)
    assert stats.runs == runs + 1
    for text in (
        '(["x = 1"])',
        '(["w = 2"])',
        '"y = 2"',
        '"t1 = 2.5"',
        '"-0.5"',
        '(["loss = 0.25"])',
    ):
        assert text in chart
    loss.backward()
    assert '(["w = 2"])' in forward_graph(loss, values=True)


# ---- other graphs ------------------------------------------------------------------------------------


def test_a_leaf_and_a_constant_alone():
    w = torch.ones(2, 3, requires_grad=True)
    assert forward_graph(w) == 'flowchart TD\n    n0(["w"])'
    assert backward_graph(w) == 'flowchart TD\n    n0(["w<br/>AccumulateGrad"])'
    assert forward_graph(torch.tensor([1, 2])) == 'flowchart TD\n    n0[/"loss<br/>constant"/]'


def test_several_outputs():
    q = torch.ones(4, 6, requires_grad=True)
    u, v = torch.split(q, 2)
    loss = (u * v).sum()
    assert edges(backward_graph(loss)) == {
        "dloss/dt1: 2×6": ("loss<br/>SumBackward0", "t1<br/>MulBackward0"),
        "dt1/du: 2×6": ("t1<br/>MulBackward0", "u, v<br/>SplitBackward0"),
        "dt1/dv: 2×6": ("t1<br/>MulBackward0", "u, v<br/>SplitBackward0"),
        "d(u, v)/dq: 4×6": ("u, v<br/>SplitBackward0", "q<br/>AccumulateGrad"),
    }


def test_one_output_of_several_named():
    q = torch.ones(4, 6, requires_grad=True)
    parts = torch.split(q, 2)
    u, loss = parts[0], (parts[0] * parts[1]).sum()
    del parts
    labels = list(edges(backward_graph(loss, u=u, q=q)))
    assert "dt2/du: 2×6" in labels and "dt2/d(t1[1]): 2×6" in labels


def test_across_runs_and_in_place():
    w = torch.tensor([1.0, 2.0], requires_grad=True)
    h = w * 2
    h.tolist()
    k = torch.exp(h)
    k.add_(1)
    k.tolist()
    loss = k.sum()
    assert list(edges(backward_graph(loss))) == ["dloss/dk: 2", "dk/dh: 2", "dh/dw: 2"]
    assert "k<br/>AddBackward0<br/>ExpBackward0" in backward_graph(loss)


def test_what_only_a_detached_branch_reads_is_not_in_the_backward_graph():
    a, b = torch.ones(3, requires_grad=True), torch.ones(3, requires_grad=True)
    loss = (a * (b * 2).detach()).sum()
    assert '"b"' in forward_graph(loss) and "detach" in forward_graph(loss)
    assert list(edges(backward_graph(loss))) == ["dloss/da: 3"]
    assert '"b' not in backward_graph(loss)


def test_dtypes_and_parameters_are_shown():
    x = torch.ones(4, 6, dtype=torch.float64, requires_grad=True)
    chart = forward_graph((3 - x).sum(1, keepdim=True))
    for text in ('"3 sub"', "keepdim=True", '"4×6 float64"'):
        assert text in chart


def test_names_from_containers_and_modules():
    class Module:
        def __init__(self):
            self.weight = torch.ones(3, requires_grad=True)

        def named_parameters(self):
            yield "weight", self.weight

    net, w, d = (
        Module(),
        [torch.ones(3, requires_grad=True)],
        {"a": torch.ones(3, requires_grad=True)},
    )
    loss = (net.weight * w[0] * d["a"]).sum()
    chart = forward_graph(loss)
    assert '"net.weight"' in chart and '"w[0]"' in chart and "\"d['a']\"" in chart


def test_strange_names_are_escaped():
    w = torch.ones((), requires_grad=True)
    names = {'a"<b>\\': w}
    assert '(["a#quot;#lt;b#gt;\\"])' in forward_graph(w * 2, **names)
    assert r'[label="a\"<b>\\"' in forward_graph(w * 2, format="dot", **names)


def test_errors():
    x = torch.ones(3)
    with pytest.raises(RuntimeError, match="element 0 of tensors does not require grad"):
        backward_graph(x * 2)
    with pytest.raises(TypeError, match=r"argument 'loss' \(position 1\) must be Tensor, not int"):
        forward_graph(1)
    with pytest.raises(ValueError, match=r"\['dot', 'mermaid'\], not 'svg'"):
        forward_graph(x, format="svg")
    with pytest.raises(ValueError, match="max_nodes"):
        forward_graph(x, max_nodes=1)
    with pytest.raises(TypeError, match="y is to name a Tensor, not int"):
        forward_graph(x, y=1)


def test_a_notebook_gets_markdown():
    chart = forward_graph(torch.ones(2))
    assert isinstance(chart, Chart) and chart._repr_markdown_() == f"```mermaid\n{chart}\n```"


# ---- large graphs ------------------------------------------------------------------------------------


def deep(layers):
    params, h = {}, torch.ones(32, 64)
    for i in range(layers):
        params[f"{i}.weight"] = torch.ones(64, 64, requires_grad=True)
        params[f"{i}.bias"] = torch.ones(64, requires_grad=True)
        h = torch.relu(torch.addmm(params[f"{i}.bias"], h, params[f"{i}.weight"]))
    return h.mean(), params


def test_the_parameters_of_one_operation_share_a_box():
    loss, params = deep(2)
    assert '(["1.bias 64<br/>1.weight 64×64"])' in forward_graph(loss, **params)
    assert "dt2/d(bias, weight)" in edges(backward_graph(loss, **params))
    assert "dt2/dt1: 32×64<br/>ReluBackward0" in edges(backward_graph(loss, **params))


@pytest.mark.parametrize("layers", [32, 200])
def test_repeated_layers_are_drawn_once(layers):
    loss, params = deep(layers)
    for chart in (forward_graph(loss, **params), backward_graph(loss, **params)):
        assert box_count(chart) <= 8
        assert re.search(rf'subgraph s\d+\["× {layers - 1}|subgraph s\d+\["× {layers}', chart)
        assert f"..{layers - 1}.weight 64×64" in chart


def test_a_chain_is_one_box():
    a = torch.tensor(0.5, requires_grad=True)
    for _ in range(100):
        a = torch.sin(a)
    assert '"sin<br/>× 100"' in forward_graph(a)
    assert box_count(backward_graph(a)) == 2


@pytest.mark.parametrize("most", [3, 10, 60])
def test_a_graph_without_a_pattern_is_cut_in_the_middle(most):
    w = x = torch.tensor(0.5, requires_grad=True)
    state = 1
    for _ in range(400):
        state = state * 48271 % 2147483647
        x = (torch.sin, torch.cos, torch.exp, lambda t: t * w, lambda t: t + w)[state % 5](x)
    for chart in (forward_graph(x, max_nodes=most), backward_graph(x, max_nodes=most)):
        assert box_count(chart) <= most
        assert re.search(r"… \d+ more …", chart)
        parse_dot(forward_graph(x, max_nodes=most, format="dot"))


# ---- DOT ---------------------------------------------------------------------------------------------


def parse_dot(text):
    """(nodes, edges) of a DOT text; fails on what the grammar of Graphviz does not allow."""
    token = re.compile(r'\s*("(?:[^"\\]|\\.)*"|->|\w+|[{}\[\];,=])', re.S)
    tokens, at = [], 0
    while text[at:].strip():
        m = token.match(text, at)
        assert m, text[at : at + 40]
        tokens.append(m[1])
        at = m.end()
    nodes, found = {}, []

    def attributes(i):
        pairs = {}
        if tokens[i] != "[":
            return pairs, i
        i += 1
        while tokens[i] != "]":
            key, equals, value = tokens[i : i + 3]
            assert equals == "=" and re.fullmatch(r"\w+", key) and value not in "{}[];,=", tokens[
                i : i + 3
            ]
            pairs[key] = value
            i += 3
            if tokens[i] == ",":
                i += 1
        return pairs, i + 1

    def statements(i):
        while tokens[i] != "}":
            if tokens[i] == "subgraph":
                assert tokens[i + 2] == "{"
                i = statements(i + 3)
                continue
            if tokens[i + 1] == "=":
                i += 3
            elif tokens[i + 1] == "->":
                a, b = tokens[i], tokens[i + 2]
                pairs, i = attributes(i + 3)
                found.append((a, b, pairs.get("label")))
            else:
                name = tokens[i]
                nodes[name], i = attributes(i + 1)
            assert tokens[i] == ";", tokens[i : i + 3]
            i += 1
        return i + 1

    assert tokens[0] == "digraph" and tokens[2] == "{"
    assert statements(3) == len(tokens)
    assert all(a in nodes and b in nodes for a, b, _ in found)
    return nodes, found


def test_dot_of_the_founding_example():
    x, w, b = leaves(x_requires_grad=False)
    y = w * x
    z = y + b
    loss = (z - 3) ** 2
    nodes, found = parse_dot(backward_graph(loss, format="dot"))
    assert nodes["n0"] == {"label": r'"loss\nPowBackward0\nSubBackward0"'}
    assert [label for _, _, label in found] == ['"dloss/dz"', '"dz/dy"', '"dz/db"', '"dy/dw"']
    assert 'n1 [label="x\\nconstant", shape=ellipse, style=dashed];' in forward_graph(
        loss, format="dot"
    )


def test_dot_of_large_graphs_parses():
    loss, params = deep(40)
    charts = [f(loss, format="dot", **params) for f in (forward_graph, backward_graph)]
    for chart in charts:
        nodes, _ = parse_dot(chart)
        assert "subgraph cluster_" in chart and len(nodes) < 10
    dot = shutil.which("dot")
    for chart in charts if dot else ():
        subprocess.run([dot, "-Tsvg"], input=chart, text=True, check=True, capture_output=True)


# ---- drawing disturbs nothing ------------------------------------------------------------------------


def test_drawing_records_nothing_and_runs_nothing():
    x, w, b = leaves()
    loss = (w * x + b - 3) ** 2
    stale = w.detach().view(1)
    before = stats.snapshot()
    forward_graph(loss)
    backward_graph(loss, format="dot")
    assert stats.snapshot() == before
    assert stale.tolist() == [2.0]


def test_drawing_keeps_nothing_alive():
    def draw():
        w = torch.ones(3, requires_grad=True)
        h = w * 2
        loss = h.sum()
        held = sys.getrefcount(h), sys.getrefcount(h._value), sys.getrefcount(w._leaf)
        charts = forward_graph(loss), backward_graph(loss)
        assert held == (sys.getrefcount(h), sys.getrefcount(h._value), sys.getrefcount(w._leaf))
        tape, gone = weakref.ref(loss._value.tape), weakref.ref(h)
        del h
        assert gone() is None
        loss.item()
        charts += forward_graph(loss), backward_graph(loss)
        del loss
        assert tape() is None
        return charts

    assert all(isinstance(chart, Chart) for chart in draw())


def test_a_loop_that_draws_compiles_what_one_that_does_not_draw_compiles():
    def loop(draw):
        w = torch.ones(7, requires_grad=True)
        for _ in range(6):
            h = torch.sin(w) * 3
            loss = (h**2).sum()
            if draw:
                forward_graph(loss), backward_graph(loss)
            loss.backward()
            with torch.no_grad():
                w -= 0.1 * w.grad
            w.grad = None
        return loss.item()

    expected = loop(False)
    before = stats.compiles
    assert loop(True) == expected
    assert stats.compiles == before


def test_the_doors_are_at_the_top():
    assert torch.forward_graph is forward_graph and torch.backward_graph is backward_graph


class Cube(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * x * x

    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return 3 * g * x * x


@pytest.mark.parametrize("look", [False, True])
def test_a_custom_function_is_one_box(look):
    w = torch.tensor(2.0, requires_grad=True)
    y = Cube.apply(w)
    if look:
        y.item()
    loss = y - 3
    assert 'n1["Cube"]' in str(forward_graph(loss)) and "mul" not in str(forward_graph(loss))
    assert str(backward_graph(loss)) == """\
flowchart TD
    n0["loss<br/>SubBackward0"]
    n1["y<br/>CubeBackward"]
    n2(["w<br/>AccumulateGrad"])
    n0 -->|"dloss/dy"| n1
    n1 -->|"dy/dw"| n2"""


def test_the_gradient_of_a_gradient():
    x, w = torch.tensor(1.0, requires_grad=True), torch.tensor(2.0, requires_grad=True)
    (g,) = torch.autograd.grad((w * x) ** 3, x, create_graph=True)
    assert str(forward_graph(g)) == """\
flowchart TD
    n0(["w"])
    n1(["x"])
    n2["mul"]
    n3["ones"]
    n4["PowBackward0"]
    n5["MulBackward0"]
    n6(["g"])
    n0 -->|"scalar"| n2
    n1 -->|"scalar"| n2
    n3 -->|"scalar"| n4
    n2 -->|"t1: scalar"| n4
    n4 -->|"scalar"| n5
    n0 -->|"scalar"| n5
    n5 -->|"scalar"| n6"""
    edges = re.findall(r"d\w+/d\w+", str(backward_graph(g)))
    assert edges == ["dg/dt1", "dg/dw", "dt1/dw", "dt1/dx"]
