import { expect } from 'chai';
import {
  architecture,
  parseArchitecture,
  printArchitecture,
  printNetwork,
  type Architecture,
  type Item,
  type Term,
} from '../../lib/graph/architecture/index.js';
import type { StriateError } from '../../lib/errors.js';
import {
  add,
  conv2d,
  dense,
  input,
  leakyRelu,
  maxPool2d,
  network,
  pad2d,
  prelu,
  relu,
  sequential,
  softplus,
} from '../../lib/index.js';

const notes = 'INPUT 32x32x3 -> [CONV 3x3 32 -> RELU]*2 -> POOL -> [FC 256 -> RELU]*2 -> FC 10';

describe('the architecture grammar', () => {
  it('reads the pattern of the notes', () => {
    const net = architecture(notes);
    const same = sequential(
      [32, 32, 3],
      [
        conv2d({ filters: 32, size: 3, padding: 'same' }),
        relu(),
        conv2d({ filters: 32, size: 3, padding: 'same' }),
        relu(),
        maxPool2d({ size: 2 }),
        dense({ units: 256 }),
        relu(),
        dense({ units: 256 }),
        relu(),
        dense({ units: 10 }),
      ],
    );
    expect(net.toJSON()).to.deep.equal(same.toJSON());
    expect(printNetwork(net)).to.equal(notes);
  });

  it('reads every architecture that the notes name', () => {
    const layersOf = (text: string, options = {}): string =>
      architecture(text, options)
        .nodes.slice(1)
        .map(({ layer }) => layer!.kind)
        .join(' ');
    expect(layersOf('INPUT -> FC')).to.equal('dense');
    expect(layersOf('INPUT -> CONV -> RELU -> FC')).to.equal('conv2d relu dense');
    expect(layersOf('INPUT -> [CONV -> RELU -> POOL]*2 -> FC -> RELU -> FC')).to.equal(
      'conv2d relu maxPool2d conv2d relu maxPool2d dense relu dense',
    );
    const pattern = 'INPUT -> [[CONV -> RELU]*N -> POOL?]*M -> [FC -> RELU]*K -> FC';
    expect(layersOf(pattern, { N: 0, M: 0, K: 0 })).to.equal('dense');
    expect(layersOf(pattern, { N: 2, M: 3, K: 2 })).to.equal(
      `${'conv2d relu conv2d relu maxPool2d '.repeat(3)}dense relu dense relu dense`,
    );
    expect(layersOf(`${pattern} with N=1, M=2, K=1, POOL?=no`)).to.equal(
      'conv2d relu conv2d relu dense relu dense',
    );
    expect(layersOf(`${pattern} with N=1, M=2, K=1`, { N: 2, pool: false })).to.equal(
      `${'conv2d relu '.repeat(4)}dense relu dense`,
    );
  });

  it('leaves sizes to the options, the last FC to the classes', () => {
    const net = architecture('INPUT -> CONV -> FC -> FC', {
      input: [8, 8, 1],
      filters: 4,
      units: 7,
      classes: 3,
    });
    expect(net.nodes.map(({ shape }) => [...shape])).to.deep.equal([
      [8, 8, 1],
      [8, 8, 4],
      [7],
      [3],
    ]);
  });

  it('knows the words that follow a layer', () => {
    const text =
      'INPUT 224x224x3 -> CONV 11x11 96 stride 4 pad 2x3 groups 3 nobias fit crop -> BN -> ' +
      'POOL avg 3x3 stride 2 pad 1 fit pad -> DROPOUT 0.25 -> CONV 3x1 8 valid dilation 2x1 -> ' +
      'POOL l2 3x3 stride 1 pad 1 -> NORM -> NORM 3 within alpha 0.01 beta 0.5 k 2 undivided -> ' +
      'POOL avg global -> FC 5 nobias';
    const net = architecture(text);
    expect(net.nodes[1]!.layer!.options).to.deep.include({
      filters: 96,
      size: [11, 11],
      stride: [4, 4],
      padding: { top: 2, right: 3, bottom: 2, left: 3 },
      groups: 3,
      bias: false,
      fit: 'crop',
    });
    expect(printArchitecture(parseArchitecture(text))).to.equal(text);
    expect(architecture(printNetwork(net)).toJSON()).to.deep.equal(net.toJSON());
  });

  it('knows the layers that change height and width', () => {
    const text =
      'INPUT 16x16x6 -> LOCAL 3x3 4 stride 2 pad 1 nobias fit crop -> DWCONV 3x3 2 valid dilation 2 -> ' +
      'TCONV 2x4 8 stride 2x4 groups 4 -> PAD 0x3 reflect -> PAD 1x1 -> UPSAMPLE 2x3 bilinear -> ' +
      'UPSAMPLE 2x2 aligned -> UPSAMPLE 1x2 -> PAD 1x2 replicate -> DWCONV 5x5 1 -> LOCAL 3x3 2 valid';
    const net = architecture(text);
    expect(net.nodes.map(({ shape }) => shape.join('x'))).to.deep.equal([
      '16x16x6',
      '8x8x4',
      '4x4x8',
      '8x16x8',
      '8x22x8',
      '10x24x8',
      '20x72x8',
      '40x144x8',
      '40x288x8',
      '42x292x8',
      '42x292x8',
      '40x290x2',
    ]);
    expect(printArchitecture(parseArchitecture(text))).to.equal(text);
    expect(architecture(printNetwork(net)).toJSON()).to.deep.equal(net.toJSON());
    const bare = architecture('INPUT 8x8x2 -> LOCAL -> DWCONV -> TCONV -> PAD -> UPSAMPLE');
    expect(printNetwork(bare)).to.equal(
      'INPUT 8x8x2 -> LOCAL 3x3 32 -> DWCONV 3x3 1 -> TCONV 3x3 32 -> PAD 1x1 -> UPSAMPLE 2x2',
    );
    const outside = sequential([4, 4, 1], [pad2d({ padding: { top: 1 } })]);
    expect(() => printNetwork(outside)).to.throw(/no words for pad1/);
  });

  const wrong: [text: string, position: number, message: RegExp, remedy: RegExp][] = [
    ['', 0, /the text ends where INPUT should be/, /INPUT 32x32x3/],
    ['INPUT 32x32x3', 13, /the text ends where '->' and a layer/, /./],
    ['INPUT 32x32 -> FC', 6, /INPUT has the size '32x32'/, /32x32x3/],
    ['INPUT 32x0x3 -> FC', 6, /INPUT has the size/, /./],
    ['INPUT -> COVN 3x3 32', 9, /'COVN' is no layer/, /CONV/],
    ['INPUT -> CONV 3x3 32 strid 2', 21, /CONV takes no 'strid'/, /stride/],
    ['INPUT -> CONV 3x3 32 stride', 27, /the text ends where the value of 'stride'/, /./],
    ['INPUT -> CONV 3x3 3x3', 18, /two of size/, /./],
    ['INPUT -> CONV 3x3 1.5', 18, /takes no '1.5'/, /./],
    ['INPUT -> CONV 3x3 8 stride 1x2x3', 27, /stride is '1x2x3'/, /./],
    ['INPUT -> CONV fit wide', 18, /fit is 'wide'/, /crop or pad/],
    ['INPUT -> RELU 3', 14, /RELU takes no '3'/, /nothing/],
    ['INPUT -> LEAKYRELU 0.2 0.3', 23, /two of count/, /./],
    ['INPUT -> LEAKYRELU -0.2', 19, /'-' has no meaning/, /./],
    ['INPUT -> LEAKYRELU slope 1', 19, /takes no 'slope'/, /count/],
    ['INPUT -> GELU erf', 14, /GELU takes no 'erf'/, /tanh/],
    ['INPUT -> SOFTPLUS beta 0 -> FC', 9, /beta is 0/, /above 0/],
    ['INPUT -> SOFTPLUS beta x', 23, /beta is 'x'/, /number/],
    ['INPUT -> SIGMOD', 9, /'SIGMOD' is no layer/, /SIGMOID/],
    ['INPUT -> RELU 6', 14, /RELU takes no '6'/, /nothing/],
    ['INPUT -> RELU7', 13, /RELU takes no '7'/, /./],
    ['INPUT -> MAXOUT 2.5', 16, /takes no '2.5'/, /./],
    ['INPUT -> MAXOUT 1', 9, /pieces is 1/, /2 to 256/],
    ['INPUT 8x8x3 -> CONV 3x3 5 -> MAXOUT 2', 29, /8x8x5 are no groups of 2/, /multiple of 2/],
    ['INPUT -> [CONV -> RELU', 22, /the text ends where '->' or '\]'/, /./],
    ['INPUT -> [CONV -> RELU] -> FC', 24, /'->' stands where '\*'/, /./],
    ['INPUT -> [CONV]*x', 16, /'x' stands where a whole number/, /./],
    ['INPUT -> [CONV]*N', 9, /N has no number/, /with N=2/],
    ['INPUT -> [CONV]*0', 0, /no layer left/, /./],
    ['INPUT -> FC & FC', 12, /'&' has no meaning/, /./],
    ['INPUT -> FC FC', 12, /'FC' stands where '->'/, /./],
    ['INPUT -> FC with N', 18, /should be/, /./],
    ['INPUT -> FC with N=x', 19, /a whole number/, /./],
    ['INPUT -> FC with N=1, N=2', 22, /N is given twice/, /./],
    ['INPUT -> FC with Q=3', 17, /nothing in the text is Q/, /\*Q/],
    ['INPUT -> POOL -> FC with POOL?=no', 25, /nothing in the text is POOL\?/, /POOL\?/],
    ['INPUT -> FC with fit=wide', 21, /exact, crop or pad/, /./],
    ['INPUT 10x10x3 -> CONV 3x3 8 stride 2 valid -> FC', 17, /4\.5/, /./],
    ['INPUT 8x8x3 -> POOL -> POOL -> POOL -> POOL -> FC', 39, /POOL/, /./],
    ['INPUT 8x8x3 -> FC 10 -> CONV 3x3 2', 24, /./, /./],
    ['INPUT -> [[[FC]*9999]*9999]*9999', 12, /more than 10000 layers/, /./],
    [`INPUT -> ${'['.repeat(40)}FC`, 9 + 32, /groups lie within each other/, /./],
  ];
  for (const [text, position, message, remedy] of wrong)
    it(`points at the character: ${text.slice(0, 50)}`, () => {
      let thrown: StriateError | undefined;
      try {
        architecture(text);
      } catch (error) {
        thrown = error as StriateError;
      }
      expect(thrown?.code).to.be.oneOf(['INVALID_ARGUMENT', 'INVALID_SHAPE']);
      expect(thrown!.message).to.match(message);
      expect(thrown!.remedy).to.match(remedy);
      expect(thrown!.details).to.deep.equal({ position });
      const [, line, mark] = thrown!.message.split('\n').slice(-3);
      if (line !== undefined && position < text.length)
        expect(line[mark!.indexOf('^')]).to.equal(text[position]);
    });

  it('takes the maximum over the plane unless told otherwise', () => {
    const net = architecture('INPUT 6x5x4 -> POOL global -> FC 5');
    expect(net.nodes[1]!.layer!.kind).to.equal('globalMaxPool2d');
    expect(printNetwork(net)).to.equal('INPUT 6x5x4 -> POOL global -> FC 5');
  });

  it('knows the activations, with what they are told', () => {
    const text =
      'INPUT 8x8x6 -> RELU6 -> LEAKYRELU -> LEAKYRELU 0.2 -> PRELU -> PRELU 0.1 shared -> ELU -> ELU 0.5 -> ' +
      'SIGMOID -> TANH -> SOFTPLUS -> SOFTPLUS beta 2 threshold 10.5 -> SILU -> GELU -> GELU tanh -> ' +
      'HARDSWISH -> HARDSIGMOID -> MAXOUT 3';
    const net = architecture(text);
    const told = net.nodes
      .slice(1)
      .map(({ layer }) => [layer!.kind, ...Object.values(layer!.options)]);
    expect(told).to.deep.equal([
      ['relu6'],
      ['leakyRelu', 0.01],
      ['leakyRelu', 0.2],
      ['prelu', 0.25, false],
      ['prelu', 0.1, true],
      ['elu', 1],
      ['elu', 0.5],
      ['sigmoid'],
      ['tanh'],
      ['softplus', 1, 20],
      ['softplus', 2, 10.5],
      ['silu'],
      ['gelu', 'none'],
      ['gelu', 'tanh'],
      ['hardSwish'],
      ['hardSigmoid'],
      ['maxout', 3],
    ]);
    expect(net.nodes.at(-1)!.shape).to.deep.equal([8, 8, 2]);
    expect(printNetwork(net)).to.equal(text);
    expect(printArchitecture(parseArchitecture(text))).to.equal(text);
    const optional = 'INPUT 8x8x6 -> RELU6? -> FC 2';
    expect(architecture(`${optional} with RELU6?=no`).nodes).to.have.length(2);
    expect(architecture(`${optional} with RELU6?=yes`).nodes).to.have.length(3);
  });

  it('refuses numbers that it cannot write', () => {
    for (const layer of [
      leakyRelu({ slope: 1e-7 }),
      prelu({ init: -1 }),
      softplus({ threshold: -2 }),
    ])
      expect(() => printNetwork(sequential([4, 4, 2], [layer]))).to.throw(/no words for/);
  });

  it('refuses to print what it cannot say', () => {
    const x = input([4, 4, 2]);
    const branched = network(x, relu()(add(x, conv2d({ filters: 2, size: 1 })(x))));
    expect(() => printNetwork(branched)).to.throw(/branches/);
    const other = sequential(
      [4, 4, 2],
      [conv2d({ filters: 2, size: 1, biasInit: { kind: 'constant', value: 1 } })],
    );
    expect(() => printNetwork(other)).to.throw(/no words for conv1/);
  });

  it('prints a tree as the text that it came from, and a network as its shortest text', () => {
    const random = generator(7);
    for (let round = 0; round < 400; round += 1) {
      const tree = randomTree(random);
      const text = printArchitecture(tree);
      const parsed = parseArchitecture(text);
      expect(withoutPlaces(parsed), text).to.deep.equal(withoutPlaces(tree));
      expect(printArchitecture(parsed)).to.equal(text);
      const options = {
        ...(text.includes(']*N') ? { N: 2 } : {}),
        ...(text.includes(']*M') ? { M: 1 } : {}),
        ...(text.includes(']*K') ? { K: 0 } : {}),
        fit: 'crop' as const,
      };
      if (tree.bindings.length > 0 && options.N === undefined) continue;
      let net;
      try {
        net = architecture(text, options);
      } catch (error) {
        // A random chain may shrink its volume to nothing, or convolve a vector.
        expect(error, text)
          .to.have.property('code')
          .that.is.oneOf(['INVALID_SHAPE', 'INVALID_ARGUMENT']);
        continue;
      }
      const printed = printNetwork(net);
      expect(architecture(printed).toJSON(), printed).to.deep.equal(net.toJSON());
      expect(printNetwork(architecture(printed))).to.equal(printed);
    }
  });
});

function generator(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

const plainWords = ['RELU6', 'SIGMOID', 'TANH', 'SILU', 'HARDSWISH', 'HARDSIGMOID'];

function randomTree(random: (below: number) => number): Architecture {
  const chance = (part: number): boolean => random(100) < part;
  const term = (word: string, values: Record<string, unknown>): Term => ({
    kind: 'term',
    word,
    values: Object.fromEntries(
      Object.entries(values).filter(([, value]) => value !== undefined),
    ) as Term['values'],
    optional: word === 'POOL' && chance(30),
    at: 0,
  });
  const pair = (): [number, number] => (chance(70) ? [3, 3] : [1 + random(3), 1 + random(3)]);
  const item = (depth: number): Item => {
    if (depth < 3 && chance(30)) {
      const items = Array.from({ length: 1 + random(3) }, () => item(depth + 1));
      const times = chance(50) ? 1 + random(2) : 'NMK'[random(3)]!;
      return { kind: 'group', items, times, at: 0 };
    }
    switch (random(11)) {
      case 0:
        return term('CONV', {
          ...(chance(80) ? { size: pair() } : {}),
          ...(chance(80) ? { count: 1 + random(9) } : {}),
          ...(chance(30) ? { stride: pair() } : {}),
          ...(chance(20) ? { pad: pair() } : chance(20) ? { valid: true } : {}),
          ...(chance(10) ? { nobias: true } : {}),
        });
      case 1:
        return term('POOL', {
          ...(chance(30) ? { avg: true } : chance(20) ? { l2: true } : {}),
          ...(chance(50) ? { size: pair() } : {}),
          ...(chance(50) ? { stride: pair() } : {}),
        });
      case 2:
        return term('FC', chance(80) ? { count: 1 + random(20) } : {});
      case 3:
        return term('DROPOUT', { count: random(100) / 100 });
      case 4:
        return chance(50)
          ? term('BN', {})
          : term('NORM', {
              ...(chance(50) ? { count: 1 + random(9) } : {}),
              ...(chance(30) ? { within: true } : {}),
              ...(chance(50) ? { alpha: random(100) / 100 } : {}),
              ...(chance(30) ? { k: 1 + random(3) } : {}),
              ...(chance(30) ? { undivided: true } : {}),
            });
      case 5:
        return term(plainWords[random(plainWords.length)]!, {});
      case 6:
        return term(chance(50) ? 'LEAKYRELU' : 'ELU', chance(70) ? { count: random(90) / 40 } : {});
      case 7:
        return term('PRELU', {
          ...(chance(50) ? { count: random(90) / 100 } : {}),
          ...(chance(50) ? { shared: true } : {}),
        });
      case 8:
        return term('SOFTPLUS', {
          ...(chance(50) ? { beta: (1 + random(30)) / 10 } : {}),
          ...(chance(50) ? { threshold: random(300) / 10 } : {}),
        });
      case 9:
        return chance(50)
          ? term('GELU', chance(50) ? { tanh: true } : {})
          : term('MAXOUT', chance(80) ? { count: 1 + random(3) } : {});
      default:
        return term('RELU', {});
    }
  };
  return {
    input: term('INPUT', { size: chance(80) ? '24x20x3' : '60' }),
    items: Array.from({ length: 1 + random(5) }, () => item(0)),
    bindings: chance(20) ? [{ name: 'N', value: random(3) }] : [],
  };
}

/** Without the places in the text, which a made tree does not have. */
function withoutPlaces(tree: Architecture): unknown {
  return JSON.parse(
    JSON.stringify(tree, (key, value: unknown) => (key === 'at' ? undefined : value)),
  );
}
