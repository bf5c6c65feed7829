extension Asset {
  static let styleText = #"""
    :root {
      color-scheme: light dark;
      --paper: #faf9f6; --raised: #fff; --sunk: #f2f0ea; --ink: #18222b; --dim: #5a6670; --line: #e2dfd7;
      --accent: #0b626d; --accent-soft: #dceceb; --on-accent: #fff; --bad: #a93a25; --bad-soft: #f8e4de; --warn: #8a5a00;
      --good: #2c6e49; --good-soft: #dfeee4; --focus: #0b7fa3;
      --c0: #0b5c6b; --c1: #1f8a8c; --c2: #6bb5a2; --c3: #b4c487; --c4: #ddb44c; --c5: #d6884a; --c6: #b65947; --c7: #7b4d64;
      --mono: ui-monospace, "SF Mono", "Cascadia Mono", "JetBrains Mono", "DejaVu Sans Mono", Consolas, monospace;
    }
    @media (prefers-color-scheme: dark) {
      :root {
        --paper: #0e1417; --raised: #141c20; --sunk: #0a0f12; --ink: #e3e9eb; --dim: #93a2a9; --line: #243036;
        --accent: #6cc8c9; --accent-soft: #16343a; --on-accent: #06282c; --bad: #f08c74; --bad-soft: #3a1c16; --warn: #e2b45a;
        --good: #7cc79b; --good-soft: #17301f; --focus: #7fd4f0;
        --c0: #1c7f8e; --c1: #2fa3a1; --c2: #74c0ac; --c3: #b9c98b; --c4: #dfb953; --c5: #da9052; --c6: #c46a57; --c7: #97637c;
      }
    }
    *, ::before, ::after { box-sizing: border-box; }
    html { -webkit-text-size-adjust: 100%; }
    body {
      margin: 0; background: var(--paper); color: var(--ink);
      font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "Helvetica Neue", Arial, sans-serif;
    }
    a { color: var(--accent); text-decoration: none; text-underline-offset: .18em; }
    a:hover { text-decoration: underline; }
    :focus-visible { outline: 2px solid var(--focus); outline-offset: 2px; border-radius: 3px; }
    main:focus { outline: none; }
    code, pre, .mono { font-family: var(--mono); font-size: .875em; font-variant-ligatures: none; }
    h1, h2, h3, p, dl, dd, figure { margin: 0; }
    .skip { position: absolute; left: -999px; top: 0; padding: .6rem 1rem; background: var(--raised); z-index: 2; }
    .skip:focus { left: .5rem; top: .5rem; }
    .hidden { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }

    .top { border-bottom: 1px solid var(--line); background: var(--raised); }
    .top > div, main, .foot { max-width: 76rem; margin: 0 auto; padding: 0 1.5rem; }
    .top > div { display: flex; align-items: center; gap: .4rem 1.75rem; min-height: 3.5rem; flex-wrap: wrap; }
    .brand { display: flex; align-items: center; gap: .65rem; color: var(--ink); font-weight: 650; letter-spacing: -.01em; }
    .brand:hover { text-decoration: none; }
    .brand img { width: 26px; height: 26px; display: block; }
    .brand span { color: var(--dim); font-weight: 400; letter-spacing: 0; }
    .top nav { display: flex; gap: 1.25rem; }
    .top nav a { color: var(--dim); padding: 1rem 0 calc(1rem - 2px); border-bottom: 2px solid transparent; }
    .top nav a[aria-current] { color: var(--ink); border-color: var(--accent); }
    .who { margin-left: auto; display: flex; align-items: center; gap: .9rem; color: var(--dim); font-size: .93rem; }
    .who form { display: inline; }

    main { padding-top: 2rem; padding-bottom: 4rem; }
    .foot { padding-top: 1rem; padding-bottom: 2rem; color: var(--dim); font-size: .82rem; }
    .head { display: flex; flex-wrap: wrap; align-items: flex-end; gap: .75rem 2.5rem; margin-bottom: 1.5rem; }
    .head > div:first-child { min-width: 0; flex: 1 1 24rem; }
    h1 { font-size: 1.6rem; line-height: 1.25; font-weight: 650; letter-spacing: -.02em; overflow-wrap: anywhere; }
    h1 .folder, h1 .sep { color: var(--dim); font-weight: 400; }
    h1 a { color: inherit; }
    h1 .ref { color: var(--accent); }
    h2 { font-size: 1.05rem; font-weight: 650; letter-spacing: -.005em; margin: 2.5rem 0 .75rem; }
    h2 small { font-weight: 400; color: var(--dim); font-size: .9rem; margin-left: .5rem; letter-spacing: 0; }
    h3 { font-size: .93rem; font-weight: 600; margin: 1.25rem 0 .4rem; }
    .trail { font-size: .9rem; color: var(--dim); margin-bottom: .3rem; overflow-wrap: anywhere; }
    .lead { color: var(--dim); margin-top: .35rem; max-width: 46rem; }

    .facts { display: flex; flex-wrap: wrap; gap: .5rem 2rem; }
    .facts div { display: flex; flex-direction: column-reverse; }
    .facts dt { font-size: .82rem; color: var(--dim); line-height: 1.35; }
    .facts dd { font-size: 1.15rem; font-weight: 600; letter-spacing: -.01em; font-variant-numeric: tabular-nums; white-space: nowrap; }

    .bar-row { display: flex; flex-wrap: wrap; gap: .75rem 1.25rem; align-items: center; margin-bottom: .75rem; }
    .search { display: flex; gap: .5rem; flex: 1 1 16rem; max-width: 26rem; }
    input {
      font: inherit; color: inherit; background: var(--raised); border: 1px solid var(--line); border-radius: 7px;
      padding: .42rem .7rem; width: 100%; min-width: 0;
    }
    input:focus { border-color: var(--accent); outline: 2px solid var(--accent-soft); outline-offset: 0; }
    button, .button {
      font: inherit; font-weight: 500; cursor: pointer; border-radius: 7px; border: 1px solid var(--line);
      background: var(--raised); color: var(--ink); padding: .42rem .9rem; white-space: nowrap;
    }
    button:hover, .button:hover { border-color: var(--dim); text-decoration: none; }
    button.main { background: var(--accent); border-color: var(--accent); color: var(--on-accent); }
    button.plain { border: 0; background: none; padding: 0; color: var(--accent); font-weight: 400; }
    button.plain:hover { text-decoration: underline; }
    .orders { display: flex; gap: .15rem; font-size: .88rem; color: var(--dim); align-items: center; }
    .orders a { color: var(--dim); padding: .2rem .55rem; border-radius: 6px; }
    .orders a[aria-current] { color: var(--ink); background: var(--sunk); font-weight: 550; }
    .tabs { display: flex; gap: 1.4rem; border-bottom: 1px solid var(--line); margin-bottom: 1.1rem; overflow-x: auto; }
    .tabs a { color: var(--dim); padding: .45rem 0 .55rem; border-bottom: 2px solid transparent; margin-bottom: -1px; white-space: nowrap; }
    .tabs a[aria-current] { color: var(--ink); border-color: var(--accent); font-weight: 550; }

    table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
    th { text-align: left; font-weight: 500; font-size: .82rem; color: var(--dim); padding: .35rem .75rem .35rem 0; white-space: nowrap; }
    td { padding: .5rem .75rem .5rem 0; border-top: 1px solid var(--line); vertical-align: baseline; }
    th:last-child, td:last-child { padding-right: 0; }
    tbody tr:hover td { background: linear-gradient(var(--sunk), var(--sunk)); }
    .num { text-align: right; white-space: nowrap; }
    .nowrap { white-space: nowrap; }
    .dim, time { color: var(--dim); }
    .name { font-weight: 550; overflow-wrap: anywhere; }
    .name .folder { color: var(--dim); font-weight: 400; }
    .sub { display: none; color: var(--dim); font-size: .85rem; font-weight: 400; }
    .tight td { padding-top: .3rem; padding-bottom: .3rem; }
    .wide { overflow-wrap: anywhere; }
    .chip {
      display: inline-block; font-size: .78rem; font-weight: 400; line-height: 1.3; padding: .08rem .45rem; border-radius: 5px; border: 1px solid var(--line);
      color: var(--dim); white-space: nowrap; background: var(--raised);
    }
    .chip.on { border-color: transparent; background: var(--accent-soft); color: var(--accent); }
    .chip.good { border-color: transparent; background: var(--good-soft); color: var(--good); }
    .chip.bad { border-color: transparent; background: var(--bad-soft); color: var(--bad); }
    .chips { display: flex; flex-wrap: wrap; gap: .3rem; }
    .digest { font-family: var(--mono); font-size: .82rem; color: var(--dim); overflow-wrap: anywhere; }
    a.digest { color: var(--accent); }
    td .digest { white-space: nowrap; }
    .head .digest { margin-top: .35rem; }
    .head .digest .copy { margin-left: .6rem; font-family: system-ui, sans-serif; }
    .head + .chips:not(:empty) { margin-bottom: 1.25rem; }
    .head ~ .note, .part { margin-bottom: 1rem; }
    .leaf { display: flex; gap: 1.25rem; align-items: baseline; justify-content: flex-end; margin-top: 1rem; color: var(--dim); font-size: .9rem; }
    .note { overflow-wrap: anywhere; padding: .8rem 1rem; border: 1px solid var(--line); border-radius: 9px; background: var(--raised); color: var(--dim); }
    .note.bad { border-color: var(--bad); color: var(--bad); background: var(--bad-soft); }
    .note + table, .note + .note { margin-top: 1rem; }
    .empty { padding: 2.5rem 1rem; text-align: center; color: var(--dim); border: 1px dashed var(--line); border-radius: 9px; }
    .empty code { color: var(--ink); }

    .cmds { border: 1px solid var(--line); border-radius: 9px; background: var(--raised); overflow: hidden; }
    .cmds div { display: flex; gap: .9rem; align-items: baseline; padding: .45rem .9rem; }
    .cmds div + div { border-top: 1px solid var(--line); }
    .cmds dt { flex: 0 0 4.6rem; color: var(--dim); font-size: .85rem; }
    .cmds dd { flex: 1; min-width: 0; display: flex; gap: .75rem; align-items: baseline; }
    .cmds code { flex: 1; min-width: 0; overflow-wrap: anywhere; }
    .copy { font-size: .78rem; padding: .1rem .55rem; color: var(--dim); }
    .pair { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 27rem), 1fr)); gap: 0 2rem; }

    .strip { display: block; width: 100%; height: 18px; border-radius: 5px; background: var(--sunk); overflow: hidden; margin-bottom: .5rem; }
    .strip rect { stroke: var(--paper); stroke-width: 1; }
    .meter { display: block; width: 100%; min-width: 4rem; height: 8px; border-radius: 3px; background: var(--sunk); overflow: hidden; }
    .meter rect { fill: var(--accent); opacity: .75; }
    .meter .waste { fill: var(--bad); opacity: 1; }
    svg .c0 { fill: var(--c0); opacity: 1; } svg .c1 { fill: var(--c1); opacity: 1; } svg .c2 { fill: var(--c2); opacity: 1; }
    svg .c3 { fill: var(--c3); opacity: 1; } svg .c4 { fill: var(--c4); opacity: 1; } svg .c5 { fill: var(--c5); opacity: 1; }
    svg .c6 { fill: var(--c6); opacity: 1; } svg .c7 { fill: var(--c7); opacity: 1; }
    .meter-cell { width: 16%; vertical-align: middle; }
    .steps .no { width: 2.2rem; color: var(--dim); }
    .steps .swatch { width: 10px; height: 10px; display: inline-block; }
    .steps .swatch rect { rx: 2px; }
    .steps code { white-space: pre-wrap; overflow-wrap: anywhere; display: -webkit-box; -webkit-box-orient: vertical; -webkit-line-clamp: 3; overflow: hidden; }
    .steps tr:hover code, .steps tr:focus-within code { -webkit-line-clamp: none; }
    .steps .ins { color: var(--accent); font-weight: 600; }
    .steps .void td { color: var(--dim); padding-top: .2rem; padding-bottom: .2rem; }
    .steps .no a { color: inherit; }
    .steps .void .ins { color: var(--dim); }

    .pairs { border-top: 1px solid var(--line); }
    .pairs div { display: flex; gap: 1rem; padding: .35rem 0; border-bottom: 1px solid var(--line); }
    .pairs dt { flex: 0 0 11rem; max-width: 40%; color: var(--dim); font-size: .9rem; overflow-wrap: anywhere; }
    .pairs dd { flex: 1; min-width: 0; overflow-wrap: anywhere; white-space: pre-wrap; }
    .pairs.code dt { flex-basis: 19rem; font-family: var(--mono); font-size: .82rem; color: var(--ink); }
    .pairs.code dd { font-family: var(--mono); font-size: .82rem; }
    details { border-top: 1px solid var(--line); padding: .6rem 0; }
    details + details { margin-top: -1px; }
    details:last-of-type { border-bottom: 1px solid var(--line); }
    summary { cursor: pointer; font-weight: 550; }
    summary small { color: var(--dim); font-weight: 400; margin-left: .4rem; }
    pre { margin: .75rem 0 .25rem; padding: 1rem; background: var(--sunk); border-radius: 9px; overflow: auto; max-height: 34rem; line-height: 1.45; tab-size: 2; }

    .files td { white-space: nowrap; }
    .files .fname { white-space: normal; overflow-wrap: anywhere; width: 99%; font-family: var(--mono); font-size: .86rem; }
    .files .fname a { font-weight: 600; }
    .files .gone .fname bdi { text-decoration: line-through; color: var(--bad); }
    .files .fate { color: var(--bad); font-family: system-ui, sans-serif; font-size: .8rem; margin-left: .5rem; }
    .files .target { color: var(--dim); }
    .files .meta { font-family: var(--mono); font-size: .8rem; color: var(--dim); }
    .files .meter-cell { width: 6rem; min-width: 6rem; }
    .path { font-family: var(--mono); font-size: .95rem; overflow-wrap: anywhere; }
    .path + .orders { margin-left: auto; }
    .by-layer .meter-cell { width: 60%; }
    .by-layer td:first-child { width: 3rem; }

    .door { max-width: 23rem; margin: 5vh auto 0; }
    .door h1 { margin-bottom: .25rem; }
    .door label { display: block; font-size: .9rem; font-weight: 550; margin: 1rem 0 .3rem; }
    .door button { margin-top: 1.4rem; width: 100%; padding: .55rem; }
    .door .lead { margin-bottom: 1.25rem; }

    @media (max-width: 46rem) {
      .top > div, main, .foot { padding-left: 1rem; padding-right: 1rem; }
      .top > div { gap: 0 1rem; padding-top: .6rem; }
      .top nav { order: 3; width: 100%; }
      .top nav a { padding: .5rem 0 .55rem; }
      .brand span { display: none; }
      main { padding-top: 1.25rem; }
      h1 { font-size: 1.35rem; }
      .head { margin-bottom: 1.1rem; }
      .facts { gap: .5rem 1.5rem; }
      .facts dd { font-size: 1.05rem; }
      .opt { display: none; }
      .sub { display: block; }
      .search { max-width: none; flex-basis: 100%; }
      .cmds div { flex-direction: column; gap: .1rem; padding: .5rem .75rem; }
      .cmds dt { flex: none; }
      .cmds dd { width: 100%; }
      .pairs div { flex-direction: column; gap: 0; }
      .pairs dt { flex: none; max-width: none; }
      .meter-cell { width: 22%; }
      .steps .no { width: 1.6rem; }
      pre { border-radius: 6px; padding: .75rem; }
    }
    @media print { .top nav, .who, .copy, .search, .skip { display: none; } body { background: none; } }
    @media (prefers-reduced-motion: no-preference) { a, button { transition: color .12s, border-color .12s, background-color .12s; } }

    """#
}
