import { stemOf } from './words.js';

function groups(text: string): readonly (readonly string[])[] {
  return text
    .trim()
    .split('\n')
    .map((line) => line.trim().split(/\s+/).map(stemOf));
}

/** Words that may stand for each other in a question without changing its answer. */
const SYNONYM_GROUPS = groups(`
  fee charge cost price
  limit maximum cap max
  minimum lowest min least
  big large huge
  small little tiny
  begin start commence
  end finish conclude
  buy purchase
  obtain acquire receive get
  help assist
  fix repair resolve solve
  error problem issue trouble
  quick fast rapid speedy quickly
  happen occur
  show display list
  explain describe clarify
  create make build generate
  utilize use employ
  need require necessary needed
  begin start
  difference distinction differ
  mean meaning define definition
  kind type sort
  method approach technique
  reason cause
  benefit advantage pro
  drawback disadvantage con downside
  important significant essential
  happy glad joyful
  sad unhappy
  scared frightened afraid
  smart intelligent clever
  angry mad furious
  brave courageous
  rich wealthy
  funny humorous
  calm relaxed
  honest truthful
  kid child
  car automobile
  movie film
  picture photo image
  job work occupation
  phone mobile cellphone
  company firm
  doctor physician
  begin start
  waive free
  waived free
  owe due
  document paperwork
  eligible qualify enroll
  settle clear
  coverage cover insurance
  rate percentage
  determine decide
  platform repository
  allow enable permit let
  store save keep
  function method
  argument parameter
  folder directory
  delete remove
  return give
  contain include
  convert transform
  access reach
  top-up topup
  card cards
  pin passcode
  verify confirm validate
  identity id
  exchange convert
  fiat currency
  speed pace
  organised organized
  religious pious
  spiritual religious
  vegan vegan
  large big
  become be
  hard difficult tough
  easy simple
  wrong incorrect
  right correct
  correct accurate
  whole entire
  often frequently
  usually normally generally
  approximately about roughly
  lawyer attorney
  film movie
  hateful hating
  shop store
  city town
  capital capital
`);

/** Words that turn an answer round, or into another. */
const ANTONYM_PAIRS = groups(`
  buy sell
  long short
  gain loss
  profit loss
  rise fall
  up down
  increase decrease
  raise lower
  before after
  more less
  most least
  maximum minimum
  max min
  high low
  highest lowest
  open close
  start stop
  start end
  begin end
  first last
  add remove
  enable disable
  allow forbid
  allow deny
  accept reject
  accept decline
  approve decline
  include exclude
  cover exclude
  waive charge
  free paid
  taxable free
  taxable deductible
  income deductible
  owe refund
  withdraw deposit
  send receive
  import export
  upload download
  encode decode
  encrypt decrypt
  compress decompress
  serialize deserialize
  push pull
  lock unlock
  freeze unfreeze
  login logout
  connect disconnect
  attach detach
  mount unmount
  install uninstall
  ascend descend
  ascending descending
  arrive depart
  arrival departure
  inbound outbound
  internal external
  public private
  input output
  call put
  borrow lend
  debit credit
  inherited gifted
  realized unrealized
  good bad
  best worst
  better worse
  safe dangerous
  legal illegal
  true false
  right wrong
  left right
  hot cold
  warm cold
  early late
  old new
  young old
  rich poor
  strong weak
  fast slow
  easy hard
  easy difficult
  cheap expensive
  light dark
  light heavy
  big small
  large small
  tall short
  wide narrow
  deep shallow
  full empty
  happy sad
  optimistic pessimistic
  active passive
  polite rude
  religious secular
  visible invisible
  patient impatient
  proper improper
  acceptable unacceptable
  brave cowardly
  brave afraid
  humble arrogant
  introvert extrovert
  introverted extroverted
  generous stingy
  lazy hardworking
  mature childish
  innocent guilty
  positive negative
  success failure
  win lose
  love hate
  like dislike
  agree disagree
  trust distrust
  permanent temporary
  always never
  all none
  everything nothing
  with without
  inside outside
  above below
  over under
  forward backward
  front back
  north south
  east west
  male female
  man woman
  husband wife
  father mother
  brother sister
  son daughter
  boy girl
  employer employee
  landlord tenant
  teacher student
  winter summer
  day night
  morning evening
  past future
  mandatory optional
  required optional
  minor major
  junior senior
  guest host
  client server
  synchronous asynchronous
  static dynamic
  mutable immutable
  local remote
  pre post
  domestic international
  advantage disadvantage
  pro con
  benefit risk
  benefit drawback
  hire fire
  marry divorce
  attack defend
  attract repel
  expand shrink
  expand contract
  grow shrink
  absorb emit
  pass fail
  sink float
  lead lag
  save spend
  gain lose
  gather scatter
  question answer
  cause prevent
  cause cure
  promote prevent
  support oppose
  support against
`);

/** Members of one row exclude each other: who asks for one does not want the answer for another. */
const CONTRASTS = groups(`
  basic premium platinum gold silver bronze standard student business personal plus pro enterprise deluxe economy first-class starter ultimate
  checking saving savings brokerage mortgage loan investment retirement pension individual
  ach wire zelle paypal venmo sepa swift paypal cheque check cash crypto
  market limit stop loss
  roth traditional sep simple pretax ordinary
  etf etn index mutual stock bond option future commodity
  visa mastercard amex discover
  monday tuesday wednesday thursday friday saturday sunday
  january february march april june july august september october november december
  red blue green yellow black white orange purple pink brown grey gray
  dog cat bird fish horse cow pig rabbit snake turtle hamster goat sheep lizard spider snail monkey frog chicken duck mouse rat iguana parrot
  usd eur gbp jpy chf cad aud inr dollar euro pound yen franc rupee yuan peso
  english french german spanish italian portuguese russian chinese japanese korean arabic hindi dutch polish turkish swedish greek latin hebrew
  python javascript typescript java kotlin swift rust golang ruby php perl scala haskell sql bash powershell matlab
  mysql postgres postgresql sqlite mongodb redis oracle
  react vue angular svelte
  linux windows macos android ios
  aws azure gcp
  iphone android
  football soccer basketball baseball tennis golf hockey cricket rugby volleyball swimming
  breakfast lunch dinner
  spring summer autumn fall winter
  king queen prince princess
  kilometre kilometer mile meter metre foot inch yard
  kilogram kg pound ounce gram ton
  celsius fahrenheit kelvin
  second minute hour day week month year decade century
  million billion trillion thousand
  plus minus times
  am pm
  address phone email ssn birthday name
  arm leg head foot knee hip heel elbow shoulder wrist ankle neck finger thumb toe hand thigh chest bone nose ear eye
  france germany spain italy england britain uk ireland scotland wales portugal netherlands belgium switzerland austria poland russia ukraine sweden norway denmark finland iceland greece turkey china japan korea india pakistan bangladesh vietnam thailand indonesia malaysia singapore philippines australia canada mexico brazil argentina chile peru colombia cuba egypt nigeria kenya ethiopia morocco algeria israel iran iraq syria afghanistan qatar usa america hungary romania bulgaria serbia croatia czechia
  paris london berlin madrid rome vienna lisbon dublin amsterdam brussels prague warsaw budapest athens moscow beijing shanghai tokyo delhi mumbai sydney toronto chicago boston seattle houston dallas miami york angeles francisco
  mercury venus mars jupiter saturn uranus neptune pluto
  north south east west
  cup tablespoon teaspoon pint quart gallon litre liter
  physic chemistry biology mathematics geography history
  grandfather grandmother uncle aunt nephew niece cousin brother sister father mother son daughter
  tcp udp http ftp smtp
  debit credit prepaid virtual
  array list set map dictionary tuple stack queue heap
  integer float string boolean
  atheist christian muslim jewish hindu buddhist catholic protestant
  actor actress
`);

const synonyms = relation(SYNONYM_GROUPS);
const antonyms = relation(ANTONYM_PAIRS);
const contrasts = rows(CONTRASTS);

function relation(of: readonly (readonly string[])[]): ReadonlyMap<string, ReadonlySet<string>> {
  const map = new Map<string, Set<string>>();
  for (const group of of) {
    for (const word of group) {
      const others = map.get(word) ?? new Set<string>();
      for (const other of group) if (other !== word) others.add(other);
      map.set(word, others);
    }
  }
  return map;
}

function rows(of: readonly (readonly string[])[]): ReadonlyMap<string, readonly number[]> {
  const map = new Map<string, number[]>();
  of.forEach((row, index) => {
    for (const word of new Set(row)) map.set(word, [...(map.get(word) ?? []), index]);
  });
  return map;
}

/** Both arguments are stems. */
export function areSynonyms(a: string, b: string): boolean {
  return synonyms.get(a)?.has(b) ?? false;
}

const PREFIXES = new Set(['un', 'in', 'im', 'ir', 'il', 'non', 'dis', 'de', 'mis', 'anti']);

export function areAntonyms(a: string, b: string): boolean {
  if (antonyms.get(a)?.has(b) === true) return true;
  return a.length < b.length ? isNegated(a, b) : isNegated(b, a);
}

function isNegated(short: string, long: string): boolean {
  const by = long.length - short.length;
  return short.length >= 4 && by <= 4 && long.endsWith(short) && PREFIXES.has(long.slice(0, by));
}

/** True when the two are different members of one set of alternatives (checking and savings, May and June). */
export function areContrasts(a: string, b: string): boolean {
  if (a === b) return false;
  const inA = contrasts.get(a);
  const inB = inA === undefined ? undefined : contrasts.get(b);
  return inA !== undefined && inB !== undefined && inA.some((row) => inB.includes(row));
}
