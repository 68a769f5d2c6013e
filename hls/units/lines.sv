// lines - every patch of an image that a convolution looks at, one or several whole ones a cycle.
//
//   y[p, q, i, j, c] = x[p*StrideH + i - PadTop, q*StrideW + j - PadLeft, c], or the padding outside the image
//
// A word of x is Pixels neighbours, a word of y the windows that begin there (Pixels / StrideW of them; with one pixel
// a word one window every StrideW), each with all its taps in the order i, j, c (c fastest). Every row begins with a
// word of its own: the last one of a row has places to spare where words do not divide it, and what lies there means
// nothing. Elements leave in YBits: wider than they came where the padding is no value of x (-1/+1 padded with 0:
// {00: 0, 01: +1, 11: -1}).
//
// Row n of the image (and of all images after it) lies in memory n mod KernelH. A column is a word wide and of the
// kernel's height: one is read a cycle, turned so that its topmost word comes first, and shifted into the windows;
// columns follow each other from row to row, and masks hide those of another row. So a row of windows takes a cycle
// for each column of the image whatever its padding is. Windows that extend past the right edge are output while the
// next row's first columns are read. After an image's last row there is nothing left to read, so they are flushed by
// After shifts without a column; the last of these takes the next image's first column where it has come. Credits say
// how far writer and reader may go: a column is read when its last word has come, a word is taken when it overwrites
// nothing that the next column needs.
// Timing: Height * Width / Pixels cycles an image (or the columns read and After - 1, where that is more); the first
// word leaves 1 cycle after the last tap of its windows came. x_ready_o comes from a register.
module lines #(
  parameter int unsigned Height    = 4,
  parameter int unsigned Width     = 4,  // at least 2
  parameter int unsigned Channels  = 1,
  parameter int unsigned Pixels    = 1,  // more than one: StrideW divides it
  parameter int unsigned KernelH   = 3,
  parameter int unsigned KernelW   = 3,
  parameter int unsigned StrideH   = 1,
  parameter int unsigned StrideW   = 1,
  parameter int unsigned PadTop    = 0,  // so that no more rows and columns of windows begin than the image has
  parameter int unsigned PadLeft   = 0,
  parameter int unsigned PadBottom = 0,
  parameter int unsigned PadRight  = 0,
  parameter int unsigned XBits     = 1,  // bits of an element of x
  parameter int unsigned XKind     = 0,  // 0 bipolar, 1 unsigned, 2 signed
  parameter int unsigned YBits     = 1,  // bits of an element of y
  parameter int unsigned Style     = 0,  // of the rows: 0 the tool's choice, 1 LUT RAM, 2 block RAM
  parameter int unsigned Pad       = 0,  // code of the padding, YBits wide
  parameter              PadFile   = "", // instead of Pad: a word with the code of each channel
  localparam int unsigned Windows = Pixels > StrideW ? Pixels / StrideW : 1,  // of a word of y
  localparam int unsigned Taps = KernelH * KernelW,
  localparam int unsigned Pixel = Channels * XBits,
  localparam int unsigned Word = Pixels * Pixel,
  localparam int unsigned YPixel = Channels * YBits
) (
  input  logic                          clk_i,
  input  logic                          rst_ni,
  input  logic                          x_valid_i,
  output logic                          x_ready_o,
  input  logic [Word-1:0]               x_data_i,
  output logic                          y_valid_o,
  input  logic                          y_ready_i,
  output logic [Windows*Taps*YPixel-1:0] y_data_o
);
  // Signed copies: what lies before the image has negative positions.
  localparam int H = Height;
  localparam int P = Pixels;
  localparam int V = Windows;
  localparam int Cols = Width;
  localparam int W = (Cols + P - 1) / P;  // words of a row, which are columns
  localparam int Kh = KernelH;
  localparam int Kw = KernelW;
  localparam int Sh = StrideH;
  localparam int Sw = StrideW;
  localparam int Top = PadTop;
  localparam int Left = PadLeft;
  localparam int OutH = (H + Top + PadBottom - Kh) / Sh + 1;
  localparam int OutW = (Cols + Left + PadRight - Kw) / Sw + 1;
  localparam int LastR = (OutH - 1) * Sh;  // where the last windows begin: row, column, padding counted
  localparam int Apart = P > 1 ? 1 : Sw;  // columns from one word of windows to the next
  localparam int LastC = ((OutW + V - 1) / V - 1) * Apart;
  localparam int Late = ((V - 1) * Sw + Kw - 1 - Left) / P;  // columns before the one that completes a row's first windows
  localparam int Held = Left + (Late + 1) * P;        // pixels of a row in the windows, the newest column included
  localparam int Across = LastC + Late < W ? LastC + Late + 1 : W;  // columns read of a row
  localparam int After = LastC + Late + 1 - Across;
  localparam int Ring = Kh * W;

  if (W < 2 || PadTop >= KernelH || PadLeft >= KernelW || Late >= W) begin : gen_bad_kernel
    $error("lines: no kernel of %0d x %0d over rows of %0d", KernelH, KernelW, Width);
  end
  if (LastR >= H || LastC >= W) begin : gen_bad_pads
    $error("lines: more windows begin than the %0d x %0d pixels", Height, Width);
  end
  if (Pixels > 1 && Pixels % StrideW != 0) begin : gen_bad_pixels
    $error("lines: %0d pixels begin no windows that lie %0d apart", Pixels, StrideW);
  end

  localparam int unsigned WBits = $clog2(W);
  localparam int unsigned TBits = KernelH > 1 ? $clog2(KernelH) : 1;
  localparam int unsigned PBits = OutH > 1 ? $clog2(OutH) : 1;
  localparam int unsigned CBits = Across > 1 ? $clog2(Across) : 1;

  logic write, load, shift, wraps;  // a pixel comes; a column is read; the window moves on; to the next row of windows
  assign write = x_valid_i && x_ready_o;

  // ---- the column that is read next --------------------------------------------------------------------------------
  logic [WBits-1:0] col_q;
  logic [PBits-1:0] row_q;   // of windows
  logic [TBits-1:0] turn_q;  // the memory its topmost pixel lies in
  logic last_col, last_row;
  assign last_col = col_q == WBits'(Across - 1);
  assign last_row = row_q == PBits'(OutH - 1);

  logic [TBits:0] turned;
  assign turned = {1'b0, turn_q} + (last_row ? (TBits+1)'((H - LastR) % Kh) : (TBits+1)'(Sh % Kh));
  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      col_q  <= '0;
      row_q  <= '0;
      turn_q <= TBits'((Kh - Top) % Kh);
    end else if (load) begin
      col_q <= last_col ? '0 : col_q + 1'b1;
      if (last_col) begin
        row_q  <= last_row ? '0 : row_q + 1'b1;
        turn_q <= turned >= (TBits+1)'(Kh) ? TBits'(turned - (TBits+1)'(Kh)) : TBits'(turned);
      end
    end
  end

  // ---- credits -----------------------------------------------------------------------------------------------------
  // The last row that a row of windows needs grows by the stride until it meets the image's edge: by a full stride up
  // to FullP (-1: it lies at the edge from the start), by the rest once, then by nothing.
  localparam int FullP = H + Top >= Kh ? (H + Top - Kh) / Sh : -1;
  localparam int EdgeP = FullP >= 0 ? H - Kh + Top - FullP * Sh : 0;
  localparam int RowFirst = FullP >= 0 ? Kh - 1 - Top : H - 1;
  localparam int RowLast = FullP >= OutH - 1 ? LastR + Kh - 1 - Top : H - 1;
  localparam int Back = 1 - Across;

  localparam int unsigned NBits = $clog2(Ring + 2 * H * W + Top * W + 2) + 1;
  typedef logic signed [NBits-1:0] credit_t;

  logic full_p, edge_p;
  image_edge #(.Full(FullP), .Windows(OutH), .Bits(PBits)) edge_of_image (
    .at_i(row_q), .full_o(full_p), .edge_o(edge_p)
  );

  credit_t needed, freed;  // see credits
  always_comb begin
    if (!last_col) begin
      needed = -credit_t'(1);
      freed  = -credit_t'(1);
    end else if (!last_row) begin
      needed = full_p ? -credit_t'(Sh * W + Back) : edge_p ? -credit_t'(EdgeP * W + Back) : -credit_t'(Back);
      freed  = -credit_t'(Sh * W + Back);
    end else begin
      needed = -credit_t'((H + RowFirst - RowLast) * W + Back);
      freed  = -credit_t'((H - LastR) * W + Back);
    end
  end

  logic ready, open;  // the next column is there; nothing holds the window
  credits #(.Bits(NBits), .Need(RowFirst * W + 1), .Room(Ring - Top * W)) credit (
    .clk_i(clk_i), .rst_ni(rst_ni), .write_i(write), .move_i(load), .needed_i(needed), .freed_i(freed),
    .ready_o(ready), .room_o(x_ready_o)
  );
  assign open = !y_valid_o || y_ready_i;

  // ---- where the window is -----------------------------------------------------------------------------------------
  // The next shift completes the window that begins at column at_q, where one does: every StrideW columns up to LastC.
  localparam int Start = Across - Late;                               // at_q at an image's first column
  localparam int Begin = After > 0 ? (Start + 1) % Across : Start % Across;  // at_q after reset
  logic [CBits-1:0] at_q;
  logic begins, early, within_row, stride;  // a column comes to windows that stay; none is whole yet
  assign wraps = shift && at_q == CBits'(Across - 1);
  always_ff @(posedge clk_i) begin
    if (!rst_ni) at_q <= CBits'(Begin);
    else if (After > 1 && begins) at_q <= CBits'(Begin);
    else if (shift) at_q <= wraps ? '0 : at_q + 1'b1;
  end

  if (After == 0) begin : gen_even
    assign begins = 1'b0;
    assign load   = ready && open;
    assign shift  = load;
  end else begin : gen_after
    // first_q: the next column is an image's first, which takes the place that the last shift has left for it
    localparam int unsigned ABits = $clog2(After + 1);
    logic first_q, on, past;
    logic [ABits-1:0] after_q;  // shifts still to come that need no column
    assign past   = after_q != '0 && open;
    assign on     = ready && open && !first_q;
    assign begins = ready && first_q && (after_q == '0 || (after_q == ABits'(1) && open));
    assign load   = on || begins;
    assign shift  = on || past;
    always_ff @(posedge clk_i) begin
      if (!rst_ni) begin
        first_q <= 1'b1;
        after_q <= '0;
      end else begin
        if (load) first_q <= last_col && last_row;
        if (on && last_col && last_row) after_q <= ABits'(After);
        else if (past) after_q <= after_q - 1'b1;
      end
    end
  end

  if (After > 1) begin : gen_early
    logic early_q;
    always_ff @(posedge clk_i) begin
      if (!rst_ni || begins) early_q <= 1'b1;
      else if (wraps) early_q <= 1'b0;
    end
    assign early = early_q;
  end else begin : gen_never_early
    assign early = 1'b0;
  end

  if (LastC < Across - 1) begin : gen_some
    assign within_row = at_q <= CBits'(LastC);
  end else begin : gen_every
    assign within_row = 1'b1;
  end

  if (Apart > 1) begin : gen_stride
    localparam int unsigned SBits = $clog2(StrideW);
    logic [SBits-1:0] stride_q;
    always_ff @(posedge clk_i) begin
      if (!rst_ni) stride_q <= SBits'(Begin % Apart);
      else if (After > 1 && begins) stride_q <= '0;
      else if (shift) stride_q <= wraps || stride_q == SBits'(Apart - 1) ? '0 : stride_q + 1'b1;
    end
    assign stride = stride_q == '0;
  end else begin : gen_step
    assign stride = 1'b1;
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni) y_valid_o <= 1'b0;
    else y_valid_o <= (shift && within_row && stride && !early) || (y_valid_o && !y_ready_i);
  end

  // ---- rows, columns, the window -----------------------------------------------------------------------------------
  logic [WBits-1:0] write_col_q;
  logic [TBits-1:0] write_row_q;
  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      write_col_q <= '0;
      write_row_q <= '0;
    end else if (write) begin
      write_col_q <= write_col_q == WBits'(W - 1) ? '0 : write_col_q + 1'b1;
      if (write_col_q == WBits'(W - 1)) write_row_q <= write_row_q == TBits'(Kh - 1) ? '0 : write_row_q + 1'b1;
    end
  end

  logic [Kh*Word-1:0] banks, column;
  for (genvar k = 0; k < Kh; k++) begin : gen_bank
    ram #(.Bits(Word), .Words(W), .Style(Style)) row (
      .clk_i(clk_i), .put_i(write && write_row_q == TBits'(k)), .put_addr_i(write_col_q), .put_data_i(x_data_i),
      .get_i(load), .get_addr_i(col_q), .get_data_o(banks[k*Word+:Word])
    );
  end

  if (Kh == 1) begin : gen_one
    assign column = banks;
  end else begin : gen_turn
    logic [TBits-1:0] topmost_q;
    always_ff @(posedge clk_i) if (load) topmost_q <= turn_q;
    always_comb begin
      column = banks;
      for (int k = 1; k < Kh; k++) begin
        if (topmost_q == TBits'(k)) column = (banks >> (k * Word)) | (banks << ((Kh - k) * Word));
      end
    end
  end

  logic [Kh*Held*Pixel-1:0] held;  // of each row the pixels in the windows, the leftmost one low
  logic unused;
  assign unused = ^held;  // those between windows that lie apart
  for (genvar i = 0; i < Kh; i++) begin : gen_row
    if (Held == P) begin : gen_column
      assign held[i*Held*Pixel+:Held*Pixel] = column[i*Word+:Word];
    end else begin : gen_columns
      logic [(Held-P)*Pixel-1:0] earlier_q;
      assign held[i*Held*Pixel+:Held*Pixel] = {column[i*Word+:Word], earlier_q};
      always_ff @(posedge clk_i) if (shift) earlier_q <= held[(i*Held+P)*Pixel+:(Held-P)*Pixel];
    end
  end

  logic [V*Taps*YPixel-1:0] widened;  // the windows in y's encoding
  for (genvar t = 0; t < V * Taps; t++) begin : gen_tap
    // window u, row i, column j
    localparam int Place = t / Taps * Sw + t % Taps / Kw * Held + t % Kw;
    for (genvar c = 0; c < Channels; c++) begin : gen_element
      logic [XBits-1:0] element;
      assign element = held[Place*Pixel+c*XBits+:XBits];
      if (YBits == XBits) begin : gen_same
        assign widened[t*YPixel+c*YBits+:YBits] = element;
      end else if (XKind == 0) begin : gen_bipolar
        assign widened[t*YPixel+c*YBits+:YBits] = {{YBits - 1{!element[0]}}, 1'b1};
      end else begin : gen_number
        assign widened[t*YPixel+c*YBits+:YBits] = {{YBits - XBits{XKind == 2 && element[XBits-1]}}, element};
      end
    end
  end

  // ---- padding -----------------------------------------------------------------------------------------------------
  if (Top == 0 && PadBottom == 0 && Left == 0 && PadRight == 0) begin : gen_plain
    assign y_data_o = widened;
  end else begin : gen_padded
    logic [Kh-1:0] above, above_q;  // rows and columns of taps outside the image, now and of the window that is whole
    logic [V*Kw-1:0] beside, beside_q;
    always_ff @(posedge clk_i) begin
      if (shift) begin
        above_q  <= above;
        beside_q <= beside;
      end
    end

    if (LastR == 0) begin : gen_one_row
      for (genvar i = 0; i < Kh; i++) begin : gen_tap
        assign above[i] = i < Top || i >= H + Top;
      end
    end else begin : gen_rows
      // the row that windows begin in, padding counted
      localparam int unsigned RBits = $clog2(LastR + 1);
      logic [RBits-1:0] in_q;
      always_ff @(posedge clk_i) begin
        if (!rst_ni) in_q <= Begin == 0 ? '0 : RBits'(LastR);
        else if (wraps) in_q <= early || in_q == RBits'(LastR) ? '0 : in_q + RBits'(Sh);
      end
      for (genvar i = 0; i < Kh; i++) begin : gen_tap
        logic over, under;
        if (i < Top && LastR >= Top - i) begin : gen_over
          assign over = in_q < RBits'(Top - i);
        end else begin : gen_ever_over
          assign over = i < Top;
        end
        if (i < H + Top && LastR + i >= H + Top) begin : gen_under
          assign under = in_q >= RBits'(H + Top - i);
        end else begin : gen_ever_under
          assign under = i >= H + Top;
        end
        assign above[i] = over || under;
      end
    end

    for (genvar n = 0; n < V * Kw; n++) begin : gen_side
      localparam int J = n / Kw * Sw + n % Kw;              // of the tap, from the first window's first
      localparam int Least = Left > J ? (Left - J + P - 1) / P : 0;      // at_q from which it lies in the image
      localparam int Most = (Cols + Left - J - 1) / P;  // and up to which
      logic ahead, behind;
      if (Least > 0 && LastC >= Least) begin : gen_ahead
        assign ahead = at_q < CBits'(Least);
      end else begin : gen_ever_ahead
        assign ahead = Least > 0;
      end
      if (J < Cols + Left && LastC > Most) begin : gen_behind
        assign behind = at_q > CBits'(Most);
      end else begin : gen_ever_behind
        assign behind = J >= Cols + Left;
      end
      assign beside[n] = ahead || behind;
    end

    logic [YPixel-1:0] padding;
    if (PadFile != "") begin : gen_pads
      logic [YPixel-1:0] pads[1];
      initial $readmemh(PadFile, pads);
      assign padding = pads[0];
    end else begin : gen_pad
      assign padding = {Channels{YBits'(Pad)}};
    end
    for (genvar t = 0; t < V * Taps; t++) begin : gen_mux
      assign y_data_o[t*YPixel+:YPixel] =
          above_q[t%Taps/Kw] || beside_q[t/Taps*Kw+t%Kw] ? padding : widened[t*YPixel+:YPixel];
    end
  end
endmodule
